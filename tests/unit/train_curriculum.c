/* Runs by a curriculum: resumed to the bit, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toyrun.h"

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static char parted_path[256];
static const char *parted = parted_path;

/* A run by this curriculum over parts a and b, of which b is small. */
static struct options by_curriculum(int number, const char *name, const char *text)
{
    static const size_t ends[] = {170, 190, TOYRUN_STORIES};
    static const char *const parts[] = {"a", "b", "a"};
    static char file[256];
    struct options o = toyrun_variant(number, name);
    snprintf(parted_path, sizeof parted_path, "%s", toyrun_path("parted"));
    toyrun_folder("parted", ends, 3, parts);
    snprintf(file, sizeof file, "%s", toyrun_path("curriculum"));
    write_text(file, text);
    o.data.items = &parted;
    o.curriculum = file;
    o.steps = 60;
    return o;
}

static const char stages[] = "40%: a\n60%: a 1 to 0, b 1 to 3\n";

/* Stops within the first stage, where the second begins, and within that, in another epoch of b. */
static void test_a_curriculum_is_resumed_to_the_bit(void **state)
{
    (void)state;
    for (int i = 0; i < TOYRUN_VARIANTS; i++) {
        static const uint64_t stops[] = {11, 24, 47};
        struct trainer t;
        char name[32];
        snprintf(name, sizeof name, "lessons%d", i);
        struct toyrun_weights whole = toyrun_run(by_curriculum(i, name, stages));
        snprintf(name, sizeof name, "pauses%d", i);
        struct options o = by_curriculum(i, name, stages);
        for (size_t k = 0; k < ARRAY_LEN(stops); k++) {
            toyrun_open(&t, &o);
            assert_int_equal(t.mixture.n, 2);
            assert_int_equal(t.progress.step, k ? stops[k - 1] : 0);
            toyrun_step_to(&t, stops[k]);
            trainer_close(&t);
            o.resume = "";
            o.given.recipe = false;
            o.given.windows = false;
            o.curriculum = k == 1 ? o.curriculum : NULL;
        }
        toyrun_open(&t, &o);
        assert_true(t.mixture.part[1].batches.epoch > 0);
        trainer_close(&t);
        struct toyrun_weights paused = toyrun_run(o);
        toyrun_same(whole, paused);
        toyrun_free(whole);
        toyrun_free(paused);
    }
}

/* A stream of random numbers for each part: with one for all, the windows of parts of one length
 * would come in one order. */
static void test_parts_have_orders_of_their_own(void **state)
{
    (void)state;
    struct trainer t;
    struct options o = by_curriculum(0, "orders", stages);
    toyrun_open(&t, &o);
    const struct batches *a = &t.mixture.part[0].batches, *b = &t.mixture.part[1].batches;
    assert_memory_not_equal(a->start.s, b->start.s, sizeof a->start.s);
    trainer_close(&t);
}

/* The whole of both parts in one file is another run, and so is another curriculum. */
static void test_another_curriculum_is_refused(void **state)
{
    (void)state;
    struct trainer t;
    struct options o = by_curriculum(0, "stages", stages);
    toyrun_open(&t, &o);
    assert_int_equal(t.n_valid_parts, 2);
    toyrun_step_to(&t, 5);
    trainer_close(&t);
    o.resume = "";
    write_text(o.curriculum, "100%: b\n");
    toyrun_refuse(&o, "which has 40%: a 1; 60%: a 1 to 0, b 1 to 3");
    write_text(o.curriculum, "100%: c\n");
    toyrun_refuse(&o, "/curriculum: line 1: the data have no part 'c' (they have a, b)");
    struct options plain = toyrun_options(toyrun_path("plain"));
    plain.steps = 2;
    toyrun_free(toyrun_run(plain));
    plain.resume = "";
    plain.curriculum = o.curriculum;
    toyrun_refuse(&plain, "has no parts for --curriculum to name");
    plain = toyrun_options(toyrun_path("unstaged"));
    plain.data.items = &parted;
    plain.steps = 2;
    toyrun_free(toyrun_run(plain));
    plain.resume = "";
    plain.curriculum = o.curriculum;
    write_text(o.curriculum, "100%: b\n");
    toyrun_refuse(&plain, "which has none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_have_orders_of_their_own),
        cmocka_unit_test(test_a_curriculum_is_resumed_to_the_bit),
        cmocka_unit_test(test_another_curriculum_is_refused),
    };
    return cmocka_run_group_tests(tests, toyrun_setup, toyrun_teardown);
}
