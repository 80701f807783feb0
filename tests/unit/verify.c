/* export --verify: an equal model passes, another one is found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "export/output.h"
#include "export/verify.h"
#include "format/vocabdb.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toyvocab.h"

static const char text[] = "abc ab a\nabcabc\n<|endoftext|>\ncab c\n<|endoftext|>\n";

static struct kern kern;
static struct dims dims;
static char ckpt_path[128], blob_path[128], vocab_path[128], text_path[128];

static void set_path(char out[128], const char *name)
{
    strcpy(out, scratch_path(name));
}

static void save(const struct dims *d, uint64_t seed)
{
    struct err e;
    struct ckpt_state state = {0};
    struct ckpt_optim none = {0};
    float *params = toy_params(d, seed);
    if (ckpt_save(ckpt_path, d, params, &none, &state, &e))
        fail_msg("%s", e.text);
    free(params);
}

static int setup(void **state)
{
    struct err e;
    struct vocab v = toyvocab();
    if (scratch_setup(state))
        return -1;
    kern_init(&kern, CPU_C);
    dims = toy_dims(TOYVOCAB_SIZE, 12, 20, 3, 2, "1,2");
    set_path(ckpt_path, "run.safetensors");
    set_path(blob_path, "model.bolt");
    set_path(vocab_path, "vocab.db");
    set_path(text_path, "text");
    scratch_write(text_path, text, sizeof text - 1);
    return vocabdb_save(&v, NULL, 0, vocab_path, NULL, &e);
}

static void export_blob(enum number_type embed)
{
    struct err e;
    struct load_source from;
    struct model m;
    struct vocab v = toyvocab();
    struct file_set files = {0};
    struct output_report report = {0};
    assert_int_equal(load_source_open(&from, ckpt_path, &e), 0);
    assert_int_equal(load_model(&m, &from.ckpt, ckpt_path, &kern, &e), 0);
    struct output_source source = {ckpt_path, &from.ckpt, &m, &v, 0};
    struct output_options o = {.path = blob_path, .embed_given = true, .embed = embed};
    if (output_bolt.write(&source, &o, &files, &report, &e) || file_set_commit(&files, &e))
        fail_msg("%s", e.text);
    assert_int_equal(report.embed, embed);
    output_report_release(&report);
    model_release(&m);
    load_source_close(&from);
}

/* Verifies the blob against the checkpoint as it stands now. */
static int verify(struct verify_result *r, int n_threads, struct err *e)
{
    struct ckpt c;
    struct vocab v = toyvocab();
    struct verify_text stories;
    assert_int_equal(ckpt_open(&c, ckpt_path, e), 0);
    int rc = verify_read(&stories, text_path, &v, n_threads, e);
    if (rc == 0)
        rc = verify_run(&c, blob_path, vocab_path, &stories, &kern, n_threads, r, e);
    verify_release(&stories);
    ckpt_close(&c);
    return rc;
}

static void test_equal(void **state)
{
    (void)state;
    struct err e;
    struct verify_result one, three;
    save(&dims, 1);
    for (int embed = 0; embed < 3; embed++) {
        export_blob((enum number_type)embed);
        assert_int_equal(verify(&one, 1, &e), 0);
        assert_true(one.difference <= verify_limit((enum number_type)embed));
        assert_true(one.n_tokens > 10 && one.checkpoint_loss > 0);
        assert_int_equal(verify(&three, 3, &e), 0);
        assert_true(one.checkpoint_loss == three.checkpoint_loss);
        assert_true(one.export_loss == three.export_loss);
    }
}

static void test_other_weights(void **state)
{
    (void)state;
    struct err e;
    struct verify_result r;
    save(&dims, 1);
    export_blob(NUMBER_F32);
    save(&dims, 2);
    assert_int_equal(verify(&r, 1, &e), 0);
    assert_true(r.difference > verify_limit(NUMBER_Q8));
}

static void test_other_dims(void **state)
{
    (void)state;
    struct err e;
    struct verify_result r;
    struct dims wider = toy_dims(TOYVOCAB_SIZE, 13, 20, 3, 2, "1,2");
    save(&dims, 1);
    export_blob(NUMBER_F32);
    save(&wider, 1);
    assert_int_equal(verify(&r, 1, &e), -1);
    assert_non_null(strstr(e.text, "other hyperparameters"));
}

static void test_no_story(void **state)
{
    (void)state;
    struct err e;
    struct verify_result r;
    save(&dims, 1);
    export_blob(NUMBER_F32);
    scratch_write(text_path, " \n", 2);
    assert_int_equal(verify(&r, 1, &e), -1);
    assert_non_null(strstr(e.text, text_path));
    scratch_write(text_path, text, sizeof text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_other_weights),
        cmocka_unit_test(test_other_dims),
        cmocka_unit_test(test_no_story),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
