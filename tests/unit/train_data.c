/* The data of a run: cut into files, added to while it is interrupted, or other than before. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toyrun.h"

/* The same stories in one file and in three, of which one has none: the same weights, and the same
 * fingerprint in the checkpoint. */
static void test_files_of_the_data_do_not_matter(void **state)
{
    (void)state;
    static const size_t ends[] = {70, 70, TOYRUN_STORIES};
    toyrun_folder("cut", ends, 3, NULL);
    static char path[256];
    static const char *cut = path;
    snprintf(path, sizeof path, "%s", toyrun_path("cut"));
    for (int i = 0; i < TOYRUN_VARIANTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "in-one%d", i);
        struct options o = toyrun_variant(i, name);
        o.steps = 60;
        o.eval_every = 0;
        struct toyrun_weights one = toyrun_run(o);
        snprintf(name, sizeof name, "in-three%d", i);
        o.save_dir = toyrun_path(name);
        o.data.items = &cut;
        struct toyrun_weights three = toyrun_run(o);
        toyrun_same(one, three);
        toyrun_free(one);
        toyrun_free(three);
    }
}

/* Stories that are added while a run is interrupted: its epoch goes on as if nothing had been, and
 * the next one has them. */
static void test_stories_added_to_a_run(void **state)
{
    (void)state;
    static const size_t ends[] = {120, TOYRUN_STORIES};
    static char path[256];
    static const char *grows = path;
    toyrun_folder("grows", ends, 1, NULL);
    snprintf(path, sizeof path, "%s", toyrun_path("grows"));
    for (int i = 0; i < TOYRUN_VARIANTS; i++) {
        struct trainer t, old;
        char name[32];
        toyrun_folder("grows", ends, 1, NULL);
        snprintf(name, sizeof name, "before%d", i);
        struct options o = toyrun_variant(i, name);
        o.data.items = &grows;
        o.steps = 60;
        toyrun_open(&old, &o);
        uint64_t epoch = batches_steps_per_epoch(&old.batches);
        toyrun_step_to(&old, epoch);
        snprintf(name, sizeof name, "after%d", i);
        o.save_dir = toyrun_path(name);
        toyrun_open(&t, &o);
        toyrun_step_to(&t, epoch / 2);
        trainer_close(&t);
        toyrun_folder("grows", ends, 2, NULL);
        o.resume = "";
        toyrun_open(&t, &o);
        assert_int_equal(t.had_shards, 1);
        assert_int_equal(t.valid.n_stories, 20);
        toyrun_step_to(&t, epoch);
        struct toyrun_weights was = toyrun_weights(&old), is = toyrun_weights(&t);
        toyrun_same(was, is);
        toyrun_free(was);
        toyrun_free(is);
        trainer_close(&old);
        trainer_close(&t);
        toyrun_open(&t, &o); /* once more within the epoch, then beyond its end */
        assert_int_equal(t.had_shards, 1);
        toyrun_step_to(&t, epoch + 1);
        assert_int_equal(t.batches.n_shards, 2);
        trainer_close(&t);
        toyrun_open(&t, &o);
        assert_int_equal(t.had_shards, 2);
        assert_int_equal(t.prints.train, t.train.fingerprint);
        assert_int_equal(t.valid.n_stories, 20);
        trainer_close(&t);
    }
}

static void test_other_data_is_refused(void **state)
{
    (void)state;
    struct options o = toyrun_options(toyrun_path("other"));
    struct vocab v;
    o.steps = 2;
    toyrun_free(toyrun_run(o));
    toyrun_vocab(&v);
    assert_int_equal(rename(toyrun_path("train.shard"), toyrun_path("kept.shard")), 0);
    toyrun_shard(toyrun_path("train.shard"), vocab_fingerprint(&v), 0, TOYRUN_STORIES, 99);
    o.resume = "";
    toyrun_refuse(&o, "with other training stories");
    toyrun_shard(toyrun_path("train.shard"), vocab_fingerprint(&v) + 1, 0, TOYRUN_STORIES, 1);
    toyrun_refuse(&o, "another vocabulary");
    assert_int_equal(rename(toyrun_path("kept.shard"), toyrun_path("train.shard")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_of_the_data_do_not_matter),
        cmocka_unit_test(test_stories_added_to_a_run),
        cmocka_unit_test(test_other_data_is_refused),
    };
    return cmocka_run_group_tests(tests, toyrun_setup, toyrun_teardown);
}
