/* Checkpoints: what is saved comes back exactly, and what is damaged does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"
#include "support/toyckpt.h"

static void test_round_trip(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n = dims_n_floats(&toyckpt.dims);
    const char *path = scratch_path("run");
    toyckpt_save(path);
    assert_int_equal(ckpt_open(&c, path, &e), 0);
    assert_true(dims_equal(&c.dims, &toyckpt.dims));
    assert_int_equal(c.dims.T, toyckpt.dims.T);
    assert_true(c.has_state && !c.ternary);
    assert_int_equal(c.n_arrays, 3);
    assert_string_equal(c.arrays[2], "other");
    assert_memory_equal(&c.state, &toyckpt_state, sizeof toyckpt_state);
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    memset(got, 0xff, n * sizeof *got);
    ckpt_read(&c, got);
    assert_memory_equal(got, toyckpt.params, n * sizeof *got);
    struct ckpt_optim o = toyckpt_optim();
    for (size_t i = 0; i < o.n_arrays; i++) {
        struct tensor t;
        dims_tensor(&toyckpt.dims, o.arrays[i].tensor, &t);
        assert_int_equal(ckpt_read_array(&c, o.arrays[i].name, o.arrays[i].tensor, got, &e), 0);
        assert_memory_equal(got, o.arrays[i].data, t.n * sizeof *got);
    }
    assert_int_equal(ckpt_read_array(&c, "other", 0, got, &e), -1);
    assert_non_null(strstr(e.text, "tensor 'other.embedding.weight' is missing"));
    assert_int_equal(ckpt_read_array(&c, "blocks", 0, got, &e), -1);
    free(got);
    for (size_t i = 0; i < ARRAY_LEN(toyckpt_numbers); i++) {
        double x;
        assert_int_equal(ckpt_read_number(&c, toyckpt_numbers[i].key, &x, &e), 0);
        assert_true(x == toyckpt_numbers[i].value);
    }
    double none;
    assert_int_equal(ckpt_read_number(&c, "adam_eps", &none, &e), -1);
    assert_non_null(strstr(e.text, "lacks 'adam_eps'"));
    assert_int_equal(ckpt_read_number(&c, "model", &none, &e), -1);
    assert_non_null(strstr(e.text, "'model' has a bad value 'bolt'"));
    ckpt_close(&c);
}

static void test_same_bytes(void **state)
{
    (void)state;
    size_t n1, n2;
    toyckpt_save(scratch_path("one"));
    toyckpt_save(scratch_path("two"));
    unsigned char *one = scratch_read(scratch_path("one"), &n1);
    unsigned char *two = scratch_read(scratch_path("two"), &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    free(one);
    free(two);
}

static void test_not_finite(void **state)
{
    (void)state;
    struct err e;
    struct ckpt_optim o = toyckpt_optim();
    float *const arrays[] = {toyckpt.params, toyckpt.m, toyckpt.v};
    static const char *const names[] = {"'embedding.weight'", "'adam_m.embedding.weight'",
                                        "'adam_v.embedding.weight'"};
    assert_int_equal(ckpt_check_finite(&toyckpt.dims, toyckpt.params, &o, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
        float had = arrays[i][1];
        arrays[i][1] = i ? INFINITY : NAN;
        assert_int_equal(ckpt_check_finite(&toyckpt.dims, toyckpt.params, &o, &e), -1);
        assert_non_null(strstr(e.text, names[i]));
        arrays[i][1] = had;
    }
}

static void test_weights_alone(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    const char *path = scratch_path("weights");
    assert_int_equal(ckpt_save_weights(path, &toyckpt.dims, toyckpt.params, 77, NULL, &e), 0);
    assert_int_equal(ckpt_open(&c, path, &e), 0);
    assert_true(!c.has_state && c.n_arrays == 0 && c.ternary);
    assert_int_equal(c.state.prints.vocab, 77);
    float *got = malloc(dims_n_floats(&toyckpt.dims) * sizeof *got);
    ckpt_read(&c, got);
    assert_int_equal(ckpt_read_array(&c, "adam_m", 1, got, &e), -1);
    assert_non_null(strstr(e.text, "'adam_m.blocks.0.norm1.scale' is missing"));
    free(got);
    ckpt_close(&c);
}

/* A run with a curriculum is of version 3, whatever its model; another is as it was. */
static void test_curriculum_comes_back(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    toyckpt.state = toyckpt_curriculum();
    toyckpt_save(scratch_path("run"));
    assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
    assert_string_equal(safetensors_meta(&c.file, "checkpoint_version"), "3");
    assert_non_null(safetensors_meta(&c.file, "mixers"));
    assert_string_equal(c.state.settings.curriculum, toyckpt.state->settings.curriculum);
    assert_int_equal(c.state.progress.n_parts, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ckpt_part *had = &toyckpt.state->progress.parts[i];
        const struct ckpt_part *got = &c.state.progress.parts[i];
        assert_string_equal(got->name, had->name);
        assert_int_equal(got->epoch, had->epoch);
        assert_int_equal(got->position, had->position);
        assert_int_equal(got->tokens, had->tokens);
        assert_memory_equal(got->rng, had->rng, sizeof got->rng);
    }
    struct ckpt_number n;
    for (size_t at = 0; ckpt_next_number(&c, &at, &n);) /* none of the optimiser's */
        assert_true(strcmp(n.key, "beta1") == 0 || strcmp(n.key, "other_steps") == 0);
    ckpt_close(&c);
    toyckpt.state = &toyckpt_state;
    toyckpt_save(scratch_path("run"));
    assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
    assert_int_not_equal(strcmp(safetensors_meta(&c.file, "checkpoint_version"), "3"), 0);
    assert_null(safetensors_meta(&c.file, "curriculum"));
    assert_int_equal(c.state.settings.curriculum[0], 0);
    ckpt_close(&c);
}

/* One bit, or a whole tensor of zeroes, which is finite and of the right shape: weights, moments
 * and metadata alike. */
static void test_damage(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    size_t n;
    toyckpt_save(scratch_path("run"));
    unsigned char *good = scratch_read(scratch_path("run"), &n);
    unsigned char *bad = malloc(n);
    assert_non_null(bad);
    assert_int_equal(safetensors_open(&s, scratch_path("run"), &e), 0);
    const char *path = scratch_path("damaged");
    for (size_t i = 0; i < s.n_tensors; i++) {
        size_t at = (size_t)((const unsigned char *)s.tensors[i].data - s.map.data);
        memcpy(bad, good, n);
        bad[at] ^= 1;
        scratch_write(path, bad, n);
        toyckpt_refuse(path, "the checksum of its data is wrong");
        memcpy(bad, good, n);
        memset(bad + at, 0, s.tensors[i].n_bytes);
        scratch_write(path, bad, n);
        toyckpt_refuse(path, "the checksum of its data is wrong");
    }
    memcpy(bad, good, n);
    unsigned char *seed = memmem(bad, n, "\"seed\":\"9\"", 10);
    seed[8] = '8';
    scratch_write(path, bad, n);
    toyckpt_refuse(path, "the checksum of its header is wrong");
    safetensors_close(&s);
    free(good);
    free(bad);
}

/* As files were written before they had checksums. */
static void test_without_checksums(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n;
    toyckpt_save(scratch_path("run"));
    unsigned char *data = scratch_read(scratch_path("run"), &n);
    memcpy(memmem(data, n, "data_xxh3", 9), "nothing_1", 9);
    memcpy(memmem(data, n, "header_xxh3", 11), "nothing_two", 11);
    scratch_write(scratch_path("old"), data, n);
    assert_int_equal(ckpt_open(&c, scratch_path("old"), &e), 0);
    assert_true(c.has_state && c.n_arrays == 3 && !c.file.has_checksums);
    assert_memory_equal(&c.state, &toyckpt_state, sizeof toyckpt_state);
    ckpt_close(&c);
    free(data);
}

static void test_truncation(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n;
    toyckpt_save(scratch_path("run"));
    unsigned char *data = scratch_read(scratch_path("run"), &n);
    const char *path = scratch_path("short");
    for (size_t i = 0; i < n; i += i < 64 || i + 64 > n ? 1 : 61) {
        scratch_write(path, data, i);
        assert_int_equal(ckpt_open(&c, path, &e), -1);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_weights_alone),
        cmocka_unit_test(test_curriculum_comes_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_without_checksums),
        cmocka_unit_test(test_truncation),
    };
    const struct CMUnitTest of_mixed[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_curriculum_comes_back),
    };
    return cmocka_run_group_tests(tests, toyckpt_setup, toyckpt_teardown) +
           cmocka_run_group_tests(of_mixed, toyckpt_setup_mixed, toyckpt_teardown);
}
