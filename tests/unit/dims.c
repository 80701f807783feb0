/* Hyperparameters: the counts FlashLM v4 is known by, and the table of tensors against names and
 * shapes written out here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support/toy.h"

static void test_counts_of_the_presets(void **state)
{
    (void)state;
    struct dims d;
    struct err e;
    dims_small(&d, 10000);
    assert_int_equal(dims_check(&d, &e), 0);
    assert_int_equal(dims_n_params(&d), 4364736);
    assert_int_equal(dims_context(&d), 6 * 7);
    dims_large(&d, 10000);
    assert_int_equal(dims_check(&d, &e), 0);
    assert_int_equal(dims_n_params(&d), 15667584);
    assert_int_equal(dims_context(&d), 8 * 7);
    d.H = 1024; /* what v4's code had */
    assert_int_equal(dims_n_params(&d), 15667584 + 8 * 3 * 128 * 384);
    assert_int_equal((dims_n_params(&d) + 50000) / 100000, 168); /* 16.8 M */
}

/* The tensors of a model of two blocks, in the order of the files (D 20, H 36, K 5, V 101). */
static const struct {
    const char *name;
    enum tensor_form form;
    int block, rank;
    size_t shape[3];
} odd[] = {
    {"embedding.weight", TENSOR_TABLE, -1, 2, {101, 20, 1}},
    {"blocks.0.norm1.scale", TENSOR_VECTOR, 0, 1, {20, 1, 1}},
    {"blocks.0.mixer.up.weight", TENSOR_TERNARY, 0, 2, {40, 20, 1}},
    {"blocks.0.mixer.conv.weight", TENSOR_VECTOR, 0, 3, {20, 1, 5}},
    {"blocks.0.mixer.down.weight", TENSOR_TERNARY, 0, 2, {20, 20, 1}},
    {"blocks.0.norm2.scale", TENSOR_VECTOR, 0, 1, {20, 1, 1}},
    {"blocks.0.ffn.W_gate.weight", TENSOR_TERNARY, 0, 2, {36, 20, 1}},
    {"blocks.0.ffn.W_up.weight", TENSOR_TERNARY, 0, 2, {36, 20, 1}},
    {"blocks.0.ffn.W_down.weight", TENSOR_TERNARY, 0, 2, {20, 36, 1}},
    {"blocks.1.norm1.scale", TENSOR_VECTOR, 1, 1, {20, 1, 1}},
    {"blocks.1.mixer.up.weight", TENSOR_TERNARY, 1, 2, {40, 20, 1}},
    {"blocks.1.mixer.conv.weight", TENSOR_VECTOR, 1, 3, {20, 1, 5}},
    {"blocks.1.mixer.down.weight", TENSOR_TERNARY, 1, 2, {20, 20, 1}},
    {"blocks.1.norm2.scale", TENSOR_VECTOR, 1, 1, {20, 1, 1}},
    {"blocks.1.ffn.W_gate.weight", TENSOR_TERNARY, 1, 2, {36, 20, 1}},
    {"blocks.1.ffn.W_up.weight", TENSOR_TERNARY, 1, 2, {36, 20, 1}},
    {"blocks.1.ffn.W_down.weight", TENSOR_TERNARY, 1, 2, {20, 36, 1}},
    {"final_norm.scale", TENSOR_VECTOR, -1, 1, {20, 1, 1}},
};

static struct dims odd_dims(void)
{
    struct dims d = {.V = 101, .D = 20, .H = 36, .K = 5, .L = 2, .T = 19, .dilation = {1, 3}};
    return d;
}

static void test_table_of_tensors(void **state)
{
    (void)state;
    struct dims d = odd_dims();
    assert_int_equal(dims_n_tensors(&d), ARRAY_LEN(odd));
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        assert_string_equal(t.name, odd[i].name);
        assert_int_equal(t.form, odd[i].form);
        assert_int_equal(t.n_parts, t.kind == TENSOR_MIXER_UP ? 2 : 1);
        assert_int_equal(t.block, odd[i].block);
        assert_int_equal(t.rank, odd[i].rank);
        size_t n = 1;
        for (int k = 0; k < 3; k++) {
            assert_int_equal(t.shape[k], odd[i].shape[k]);
            n *= t.shape[k];
        }
        assert_int_equal(t.n, n);
    }
    assert_int_equal(dims_context(&d), 4 * 1 + 4 * 3);
}

/* No two tensors overlap, each begins on the alignment, and the gaps are no larger than they must.
 */
static void check_layout(const struct dims *d)
{
    size_t end = 0;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        assert_int_equal(t.offset % DIMS_ALIGN, 0);
        assert_true(t.offset >= end);
        assert_true(t.offset - end < DIMS_ALIGN);
        assert_int_equal(dims_offset(d, t.kind, t.block), t.offset);
        end = t.offset + t.n;
    }
    assert_int_equal(dims_n_floats(d) % DIMS_ALIGN, 0);
    assert_true(dims_n_floats(d) >= end);
    assert_true(dims_n_floats(d) - end < DIMS_ALIGN);
}

static void test_layout_is_padded(void **state)
{
    (void)state;
    struct dims d;
    dims_small(&d, 10000);
    check_layout(&d);
    dims_large(&d, 9999);
    check_layout(&d);
    d = odd_dims();
    check_layout(&d);
    d = (struct dims){.V = 5, .D = 1, .H = 1, .K = 1, .L = 1, .T = 1, .dilation = {1}};
    check_layout(&d);
    assert_int_equal(dims_n_params(&d), 5 + 1 + 2 + 1 + 1 + 1 + 3 + 1);
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims every = toy_every(odd_dims(), 4, 3, 64, i);
        check_layout(&every);
    }
    struct tensor t;
    d.L = DIMS_MAX_BLOCKS; /* the longest name fits */
    dims_tensor(&d, dims_n_tensors(&d) - 4, &t);
    assert_string_equal(t.name, "blocks.63.ffn.W_gate.weight");
}

static void test_ranges_are_checked(void **state)
{
    (void)state;
    struct dims good;
    struct err e;
    dims_small(&good, 10000);
    static const struct {
        size_t offset;
        int min, max;
        const char *name;
    } fields[] = {
        {offsetof(struct dims, V), 5, 65536, "vocabulary size"},
        {offsetof(struct dims, D), 1, 8192, "model width"},
        {offsetof(struct dims, H), 1, 32768, "hidden width"},
        {offsetof(struct dims, K), 1, 64, "kernel size"},
        {offsetof(struct dims, L), 1, DIMS_MAX_BLOCKS, "number of blocks"},
        {offsetof(struct dims, T), 1, 65536, "sequence length"},
        {offsetof(struct dims, dilation[5]), 1, 4096, "dilation"},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const int values[] = {fields[i].min,     fields[i].max, fields[i].min - 1,
                              fields[i].max + 1, INT32_MIN,     INT32_MAX};
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            struct dims d = good;
            char found[32];
            memcpy((char *)&d + fields[i].offset, &values[k], sizeof(int));
            assert_int_equal(dims_check(&d, &e), k < 2 ? 0 : -1);
            if (k < 2)
                continue;
            snprintf(found, sizeof found, "found %d,", values[k]);
            assert_non_null(strstr(e.text, fields[i].name));
            assert_non_null(strstr(e.text, found));
        }
    }
}

static void test_dilation_as_text(void **state)
{
    (void)state;
    struct dims d = {.L = 3};
    struct err e;
    char buf[512];
    assert_int_equal(dims_parse_dilation(&d, "1,2,5", &e), 0);
    dims_dilation_text(&d, buf, sizeof buf);
    assert_string_equal(buf, "1,2,5");
    assert_int_equal(dims_parse_dilation(&d, "4096", &e), 0); /* one for all */
    dims_dilation_text(&d, buf, sizeof buf);
    assert_string_equal(buf, "4096,4096,4096");
    d.L = 1;
    assert_int_equal(dims_parse_dilation(&d, "7", &e), 0);
    assert_int_equal(d.dilation[0], 7);
    d.L = DIMS_MAX_BLOCKS;
    assert_int_equal(dims_parse_dilation(&d, "4096", &e), 0);
    dims_dilation_text(&d, buf, sizeof buf);
    assert_int_equal(strlen(buf), 64 * 5 - 1);
    d.L = 3;
    static const char *const bad[] = {
        "",       ",",     "1,2",   "1,2,3,4", "1,,3", "1,2,",     ",1,2",
        "0,1,1",  "1 2 3", "1,2,x", "1,2,3x",  "-1",   "+1",       " 1",
        "1, 2,3", "\t1",   "4097",  "1.5",     "0x2",  "1,2,4097", "99999999999999999999",
        "1;2;3",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(dims_parse_dilation(&d, bad[i], &e), -1);
        assert_non_null(strstr(e.text, "dilation"));
    }
    /* a number of blocks that nobody has checked yet must not be believed */
    static const int blocks[] = {0, -1, DIMS_MAX_BLOCKS + 1, INT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        d.L = blocks[i];
        assert_int_equal(dims_parse_dilation(&d, "1", &e), -1);
        assert_non_null(strstr(e.text, "number of blocks"));
    }
}

/* Mixers: which tensors a block has, in the order of the files, and what follows from the rest. */
static void test_mixers(void **state)
{
    (void)state;
    struct dims d = odd_dims();
    struct err e;
    assert_true(dims_is_v4(&d));
    assert_int_equal(dims_parse_mixers(&d, "attention,conv", &e), 0);
    d.heads = 4;
    d.key_width = 3;
    d.dilation[0] = 9;
    assert_false(dims_is_v4(&d));
    dims_complete(&d);
    assert_int_equal(dims_check(&d, &e), 0);
    assert_int_equal(d.window, 64);
    assert_int_equal(d.dilation[0], 1);
    assert_int_equal(dims_reach(&d, 0), 63);
    assert_int_equal(dims_context(&d), 63 + 4 * 3);
    assert_int_equal(dims_n_tensors(&d), ARRAY_LEN(odd) + 1);
    static const struct {
        size_t i;
        const char *name;
        enum tensor_form form;
        size_t rows, cols;
        int n_parts;
    } want[] = {
        {2, "blocks.0.mixer.up.weight", TENSOR_TERNARY, 40, 20, 2},
        {3, "blocks.0.mixer.query_key.weight", TENSOR_TERNARY, 24, 20, 2},
        {4, "blocks.0.mixer.distance.bias", TENSOR_VECTOR, 4, 64, 1},
        {5, "blocks.0.mixer.down.weight", TENSOR_TERNARY, 20, 20, 1},
        {12, "blocks.1.mixer.conv.weight", TENSOR_VECTOR, 20, 1, 1},
        {18, "final_norm.scale", TENSOR_VECTOR, 20, 1, 1},
    };
    for (size_t k = 0; k < ARRAY_LEN(want); k++) {
        struct tensor t;
        dims_tensor(&d, want[k].i, &t);
        assert_string_equal(t.name, want[k].name);
        assert_int_equal(t.form, want[k].form);
        assert_int_equal(t.shape[0], want[k].rows);
        assert_int_equal(t.shape[1], want[k].cols);
        assert_int_equal(t.n_parts, want[k].n_parts);
        assert_int_equal(t.offset, dims_offset(&d, t.kind, t.block));
    }
    check_layout(&d);
    struct dims other = d;
    other.mixer[1] = DIMS_ATTENTION;
    assert_false(dims_equal(&d, &other));
    int *fields[] = {&other.heads, &other.key_width, &other.window, &other.embed_norm};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        other = d;
        ++*fields[i];
        assert_false(dims_equal(&d, &other));
    }
    d.mixer[0] = DIMS_CONV; /* what no block needs any more */
    assert_int_equal(dims_check(&d, &e), -1);
    dims_complete(&d);
    assert_int_equal(dims_check(&d, &e), 0);
    assert_int_equal(d.heads + d.key_width + d.window, 0);
}

static void test_mixers_refused(void **state)
{
    (void)state;
    struct err e;
    static const struct {
        int offset_value;
        size_t offset;
        const char *message;
    } bad[] = {
        {0, offsetof(struct dims, heads), "number of heads"},
        {21, offsetof(struct dims, heads), "number of heads"},
        {3, offsetof(struct dims, heads), "does not divide"},
        {0, offsetof(struct dims, key_width), "key width"},
        {513, offsetof(struct dims, key_width), "key width"},
        {0, offsetof(struct dims, window), "window"},
        {1025, offsetof(struct dims, window), "window"},
        {2, offsetof(struct dims, mixer[1]), "mixer"},
        {-1, offsetof(struct dims, mixer[0]), "mixer"},
        {2, offsetof(struct dims, dilation[0]), "dilation"},
        {2, offsetof(struct dims, embed_norm), "embedding norm"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct dims d = odd_dims();
        assert_int_equal(dims_parse_mixers(&d, "attention,conv", &e), 0);
        dims_complete(&d);
        assert_int_equal(dims_check(&d, &e), 0);
        *(int *)((char *)&d + bad[i].offset) = bad[i].offset_value;
        assert_int_equal(dims_check(&d, &e), -1);
        assert_non_null(strstr(e.text, bad[i].message));
    }
    struct dims d = {.L = 2, .D = 512, .heads = 128, .key_width = 512};
    static const char *const texts[] = {"",      "conv,",      ",conv", "conv,conv,conv", "Conv",
                                        "conv ", "attentions", "con",   "conv;conv"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(dims_parse_mixers(&d, texts[i], &e), -1);
        assert_non_null(strstr(e.text, "mixer"));
    }
    char buf[DIMS_MIXERS_TEXT];
    d.L = DIMS_MAX_BLOCKS;
    assert_int_equal(dims_parse_mixers(&d, "attention", &e), 0);
    dims_mixers_text(&d, buf, sizeof buf);
    assert_int_equal(strlen(buf), 64 * 10 - 1);
    d.L = 65;
    assert_int_equal(dims_parse_mixers(&d, "conv", &e), -1);
}

static void test_equality_leaves_out_the_length(void **state)
{
    (void)state;
    struct dims a = odd_dims();
    struct dims b = a;
    b.T = 999;
    b.dilation[2] = 77; /* beyond L: no part of the model */
    assert_true(dims_equal(&a, &b));
    int *fields[] = {&b.V, &b.D, &b.H, &b.K, &b.L, &b.dilation[1]};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        ++*fields[i];
        assert_false(dims_equal(&a, &b));
        --*fields[i];
    }
    assert_true(dims_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_of_the_presets),
        cmocka_unit_test(test_table_of_tensors),
        cmocka_unit_test(test_layout_is_padded),
        cmocka_unit_test(test_ranges_are_checked),
        cmocka_unit_test(test_dilation_as_text),
        cmocka_unit_test(test_mixers),
        cmocka_unit_test(test_mixers_refused),
        cmocka_unit_test(test_equality_leaves_out_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
