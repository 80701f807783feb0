/* Runs as a whole: interrupted equals uninterrupted, whatever the number of threads; what may not
 * change on resume. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toyrun.h"
#include "train/init.h"
#include "train/loop.h"

static void test_initial_weights(void **state)
{
    (void)state;
    struct dims d;
    dims_small(&d, 2000);
    size_t n = dims_n_floats(&d);
    float *params = calloc(n, sizeof *params);
    init_params(&d, 42, params);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        double sum = 0;
        double squares = 0;
        for (size_t j = 0; j < t.n; j++) {
            double w = (double)params[t.offset + j];
            sum += w;
            squares += w * w;
        }
        double mean = sum / (double)t.n;
        double deviation = sqrt(squares / (double)t.n - mean * mean);
        if (t.rank == 1) {
            assert_true(mean == 1 && deviation == 0);
            continue;
        }
        double want = t.kind == TENSOR_EMBED  ? 0.02
                      : t.kind == TENSOR_TAPS ? sqrt(2.0 / (192 * 8))
                                              : sqrt(2.0 / (double)t.shape[0]);
        double spread = 5 / sqrt((double)t.n); /* five standard errors */
        assert_true(fabs(mean) < want * spread);
        assert_true(fabs(deviation / want - 1) < spread);
    }
    float *again = calloc(n, sizeof *again);
    init_params(&d, 42, again);
    assert_memory_equal(params, again, n * sizeof *params);
    init_params(&d, 43, again);
    assert_memory_not_equal(params, again, n * sizeof *params);
    free(again);
    free(params);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (int i = 0; i < TOYRUN_VARIANTS; i++) {
        char name[32];
        struct toyrun_weights w[3];
        for (int j = 0; j < 3; j++) {
            snprintf(name, sizeof name, "threads%d-%d", i, j);
            struct options o = toyrun_variant(i, name);
            o.steps = 12;
            o.threads = (int[]){1, 2, 7}[j];
            w[j] = toyrun_run(o);
        }
        toyrun_same(w[0], w[1]);
        toyrun_same(w[0], w[2]);
        for (int j = 0; j < 3; j++)
            toyrun_free(w[j]);
    }
}

/* Stops after 23 of 60 steps, once more after 51, in the second epoch, and goes on with no word
 * about what kind of run it is. */
static void check_resume(int number)
{
    struct trainer t;
    char name[32];
    snprintf(name, sizeof name, "whole%d", number);
    struct options o = toyrun_variant(number, name);
    o.steps = 60;
    struct toyrun_weights whole = toyrun_run(o);
    snprintf(name, sizeof name, "parts%d", number);
    o = toyrun_variant(number, name);
    o.steps = 60;
    toyrun_open(&t, &o);
    toyrun_step_to(&t, 23);
    trainer_close(&t);
    o.given.recipe = false;
    o.given.windows = false;
    o.resume = "";
    o.threads = 3;
    toyrun_open(&t, &o);
    assert_int_equal(t.progress.step, 23);
    toyrun_step_to(&t, 51);
    assert_int_equal(t.batches.epoch, 1);
    trainer_close(&t);
    struct toyrun_weights parts = toyrun_run(o);
    toyrun_same(whole, parts);
    toyrun_free(whole);
    toyrun_free(parts);
}

static void test_resumed_equals_uninterrupted(void **state)
{
    (void)state;
    for (int i = 0; i < TOYRUN_VARIANTS; i++)
        check_resume(i);
}

static void test_learns(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct options o = toyrun_options(toyrun_path("learns"));
    o.steps = 150;
    o.lr = 1e-2;
    o.given.lr = true;
    toyrun_open(&t, &o);
    struct trainer_losses losses;
    assert_true(trainer_validate(&t, &losses));
    double before = losses.loss;
    assert_true(fabs(before - log(260)) < 0.5); /* as good as guessing */
    assert_int_equal(loop_run(&t, &e), 0);
    assert_true(t.progress.best_loss < 0.6 * before);
    trainer_close(&t);
    struct ckpt best;
    assert_int_equal(ckpt_open(&best, toyrun_path("learns/best.safetensors"), &e), 0);
    ckpt_close(&best);
}

static void test_refusals(void **state)
{
    (void)state;
    struct options o = toyrun_options(toyrun_path("refusals"));
    o.steps = 2;
    toyrun_free(toyrun_run(o));
    toyrun_refuse(&o, "holds checkpoints of an earlier run");
    o.resume = "";
    o.dim = 32;
    toyrun_refuse(&o, "--dim 32 does not match");
    o.dim = 24;
    o.dilation = "2,2";
    toyrun_refuse(&o, "--dilation 2,2 does not match");
    o.dilation = "1,2";
    o.recipe = 1;
    o.given.recipe = true;
    toyrun_refuse(&o, "--recipe swift does not match");
    o.given.recipe = false;
    o.windows = BATCHES_STORY;
    o.given.windows = true;
    toyrun_refuse(&o, "--windows story does not match");
    o.given.windows = false;
    o.schedule = SCHEDULE_LINEAR;
    o.given.schedule = true;
    toyrun_refuse(&o, "--schedule linear does not match");
    o.given.schedule = false;
    o.beta2_tokens = 1e6;
    o.given.beta2_tokens = true;
    toyrun_refuse(&o, "--beta2-tokens, which gives beta2 0.99982");
    o.given.beta2_tokens = false;
    o.save_dir = toyrun_data;
    toyrun_refuse(&o, "and no checkpoint");
    o.resume = NULL;
    o.seq_len = 20000;
    toyrun_refuse(&o, "too short for one step");
    o.seq_len = 32;
    o.eval_tokens = 5;
    toyrun_refuse(&o, "less than one window");
    o.eval_tokens = 0;
    static const char *nowhere = "/nonexistent";
    o.data.items = &nowhere;
    toyrun_refuse(&o, "/nonexistent: cannot open");
}

/* A linear schedule ends at a rate of 0, at which nothing would be learnt. */
static void test_a_run_at_rate_0_is_not_gone_on_with(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct options o = toyrun_options(toyrun_path("zero"));
    o.steps = 4;
    o.schedule = SCHEDULE_LINEAR;
    o.given.schedule = true;
    toyrun_free(toyrun_run(o));
    o.resume = "";
    toyrun_free(toyrun_run(o)); /* nothing to do is no error */
    o.steps = 8;
    toyrun_open(&t, &o);
    assert_int_equal(loop_run(&t, &e), -1);
    assert_non_null(strstr(e.text, "where its learning rate is 0"));
    trainer_close(&t);
}

static void test_infinite_loss_stops(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct trainer_step step;
    struct options o = toyrun_options(toyrun_path("infinite"));
    toyrun_open(&t, &o);
    t.params[VOCAB_EOS * 24] = NAN;
    struct toyrun_weights before = toyrun_weights(&t);
    assert_int_equal(trainer_step(&t, &step, &e), -1);
    assert_non_null(strstr(e.text, "not finite"));
    struct toyrun_weights after = toyrun_weights(&t);
    toyrun_same(before, after);
    toyrun_free(before);
    toyrun_free(after);
    trainer_close(&t);
}

/* One that is no number makes the mean of its matrix none; all of it must not pass for zeros. */
static void test_a_weight_that_is_no_number_stops(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 2 * ARRAY_LEN(bad); i++) {
        struct err e = {.text = ""};
        struct trainer t;
        struct trainer_step step;
        struct options o = toyrun_options(toyrun_path("nan"));
        o.precision = i % 2 ? OPTIONS_BF16 : OPTIONS_F32;
        toyrun_open(&t, &o);
        t.params[dims_offset(&t.dims, TENSOR_FFN_UP, 1) + 7] = bad[i / 2];
        assert_int_equal(trainer_step(&t, &step, &e), -1);
        assert_non_null(strstr(e.text, "not finite"));
        trainer_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_weights),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_resumed_equals_uninterrupted),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_run_at_rate_0_is_not_gone_on_with),
        cmocka_unit_test(test_infinite_loss_stops),
        cmocka_unit_test(test_a_weight_that_is_no_number_stops),
    };
    return cmocka_run_group_tests(tests, toyrun_setup, toyrun_teardown);
}
