/* Packed models: the same weights as the quantised floats, whatever the shape, and a blob of a
 * model is that model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "load/load.h"
#include "model/tern.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toyblob.h"
#include "support/toyvocab.h"

enum { MAX_ROWS = 5, MAX_COLS = 37 };

static struct kern kern;

static int setup(void **state)
{
    kern_init(&kern, CPU_C);
    return scratch_setup(state);
}

static void test_pack_is_quantise(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1, 0);
    float w[MAX_ROWS * MAX_COLS], quantised[MAX_ROWS * MAX_COLS], unpacked[MAX_ROWS * MAX_COLS];
    uint8_t codes[MAX_ROWS * DIV_UP(MAX_COLS, 4)];
    for (size_t cols = 1; cols <= MAX_COLS; cols++) {
        size_t n = MAX_ROWS * cols;
        for (size_t i = 0; i < n; i++)
            w[i] = (float)rng_normal(&r);
        float alpha = tern_alpha(&kern, w, n);
        tern_quantise(&kern, w, n, alpha, quantised);
        tern_pack(w, MAX_ROWS, cols, alpha, codes);
        tern_unpack(codes, MAX_ROWS, cols, alpha, unpacked);
        for (size_t i = 0; i < n; i++)
            assert_true(quantised[i] == unpacked[i]);
        for (size_t row = 0; row < MAX_ROWS; row++)
            for (size_t c = cols; c < ALIGN_UP(cols, 4); c++)
                assert_int_equal(codes[row * DIV_UP(cols, 4) + c / 4] >> 2 * (c % 4) & 3, 1);
    }
}

/* Halves round to even, which is zero; the next float above does not. */
static void test_boundaries(void **state)
{
    (void)state;
    const float half = (1.0f + DIMS_TERNARY_EPS) * 0.5f;
    const float w[8] = {half, nextafterf(half, 1), -half, -nextafterf(half, 1), 0, -0.0f, 9, -9};
    const uint8_t expected[8] = {1, 2, 1, 0, 1, 1, 2, 0};
    uint8_t codes[2];
    tern_pack(w, 1, 8, 1.0f, codes);
    for (size_t c = 0; c < 8; c++)
        assert_int_equal(codes[c / 4] >> 2 * (c % 4) & 3, expected[c]);
}

static void test_alpha(void **state)
{
    (void)state;
    const float w[5] = {1, -2, 3, -4, 0};
    const float zeros[3] = {0};
    assert_true(tern_alpha(&kern, w, 5) == 2);
    assert_true(tern_alpha(&kern, zeros, 3) == 0);
    uint8_t codes[1];
    tern_pack(zeros, 1, 3, 0, codes);
    assert_int_equal(codes[0], 0x55);
}

static void expect_same_params(const struct dims *d, const float *a, const float *b)
{
    for (size_t i = 0; i < dims_n_floats(d); i++)
        if (!(a[i] == b[i]))
            fail_msg("float %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
}

/* From floats, back to floats, and from those again: they are ternary now. */
static void test_params(void **state)
{
    (void)state;
    struct err e;
    struct model m;
    struct dims d = toy_dims(13, 7, 9, 4, 3, "1,2,3");
    float *params = toy_params(&d, 5);
    float *once = calloc(dims_n_floats(&d), sizeof *once);
    float *twice = calloc(dims_n_floats(&d), sizeof *twice);
    assert_int_equal(model_from_params(&m, &d, params, false, &kern, &e), 0);
    model_to_params(&m, once);
    model_release(&m);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        float *w = params + t.offset;
        if (t.form == TENSOR_TERNARY)
            tern_quantise(&kern, w, t.n, tern_alpha(&kern, w, t.n), w);
    }
    expect_same_params(&d, once, params);
    assert_int_equal(model_from_params(&m, &d, once, true, &kern, &e), 0);
    model_to_params(&m, twice);
    model_release(&m);
    expect_same_params(&d, twice, once);
    size_t up = dims_offset(&d, TENSOR_MIXER_UP, 1);
    once[up + 2] = once[up] * 0.25f + 0.001f;
    assert_int_equal(model_from_params(&m, &d, once, true, &kern, &e), -1);
    assert_non_null(strstr(e.text, "blocks.1.mixer.up.weight"));
    model_release(&m); /* nothing is left to release, and that is fine */
    free(params);
    free(once);
    free(twice);
}

static void test_bolt(void **state)
{
    (void)state;
    struct err e;
    struct modelfile b;
    struct model m;
    struct dims d = toy_dims(TOYVOCAB_SIZE, 10, 6, 3, 2, "2,1");
    float *params = toy_params(&d, 6);
    float *expected = calloc(dims_n_floats(&d), sizeof *expected);
    float *got = calloc(dims_n_floats(&d), sizeof *got);
    const char *path = scratch_path("model.bolt");
    assert_int_equal(model_from_params(&m, &d, params, false, &kern, &e), 0);
    model_to_params(&m, expected);
    for (int embed = 0; embed < 3; embed++) {
        struct vocab v = toyvocab();
        toyblob_write(path, &m, (enum number_type)embed, &v);
        assert_int_equal(load_blob(&b, path, &e), 0);
        assert_int_equal(b.model.dims.dilation[0], 2);
        model_to_params(&b.model, got);
        size_t n = TOYVOCAB_SIZE * 10;
        for (size_t i = 0; i < n && embed != NUMBER_F32; i++) {
            assert_true(fabsf(got[i] - expected[i]) < 0.02f);
            got[i] = expected[i];
        }
        expect_same_params(&d, got, expected);
        assert_int_equal(b.vocab_fingerprint, vocab_fingerprint(&v));
        load_close(&b);
        load_close(&b);
    }
    model_release(&m);
    free(params);
    free(expected);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_is_quantise),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_bolt),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
