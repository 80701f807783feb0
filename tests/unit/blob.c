/* Blobs: what is written is read back, and each reader rule of BLOB.md has a file that breaks it
 * (rules 15 to 19: blob_vocab.c). A broken file gets its hash and check put right again, so that
 * the rule itself must answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "blob/blob_layout.h"
#include "format/blob_file.h"
#include "base/number.h"
#include "model/tern.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toyblob.h"
#include "support/toyvocab.h"

static struct dims dims; /* D 6: a row of packed weights has two pad codes */
static float *params;
static struct model model;
static struct vocab vocab;
static struct blob_tensor tensors[64];

static int make_model(void)
{
    struct kern k;
    struct err e;
    kern_init(&k, CPU_C);
    params = toy_params(&dims, 1);
    vocab = toyvocab();
    if (model_from_params(&model, &dims, params, false, &k, &e))
        return -1;
    for (size_t i = 0; i < dims_n_tensors(&dims); i++) {
        struct tensor t;
        dims_tensor(&dims, i, &t);
        const struct model_tern *w = model_ternary(&model, t.kind, t.block);
        tensors[i] = (struct blob_tensor){.data = params + t.offset};
        if (w)
            tensors[i] = (struct blob_tensor){.data = w->codes, .alpha = w->alpha};
    }
    return 0;
}

static void release_model(void)
{
    model_release(&model);
    free(params);
}

static int setup(void **state)
{
    dims = toy_dims(TOYVOCAB_SIZE, 6, 7, 3, 2, "1,4");
    return make_model() ? -1 : scratch_setup(state);
}

static int teardown(void **state)
{
    release_model();
    return scratch_teardown(state);
}

/* The same with attention in the second block. */
static int setup_mixed(void **state)
{
    dims = toy_mixed(toy_dims(TOYVOCAB_SIZE, 6, 7, 3, 2, "2,1"), "conv,attention", 2, 5, 9);
    return make_model() ? -1 : scratch_setup(state);
}

static const char *write_good(enum number_type embed)
{
    struct err e;
    uint64_t fingerprint;
    const char *path = scratch_path("good");
    if (blob_write(path, &dims, embed, &vocab, tensors, &fingerprint, NULL, &e))
        fail_msg("%s", e.text);
    return path;
}

static void expect_same_vocab(const struct vocab *got)
{
    assert_int_equal(got->kind, vocab.kind);
    assert_int_equal(got->n_tokens, vocab.n_tokens);
    assert_int_equal(got->n_merges, vocab.n_merges);
    assert_int_equal(vocab_fingerprint(got), vocab_fingerprint(&vocab));
    for (uint32_t i = 0; i < vocab.n_tokens; i++) {
        assert_int_equal(got->tokens[i].bytes.n, vocab.tokens[i].bytes.n);
        assert_memory_equal(got->tokens[i].bytes.data, vocab.tokens[i].bytes.data,
                            vocab.tokens[i].bytes.n);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct err e;
    struct blob b;
    const char *path = write_good(NUMBER_F32);
    assert_int_equal(toyblob_open(&b, path, &e), 0);
    assert_true(dims_equal(&b.dims, &dims));
    assert_int_equal(b.dims.T, dims.T);
    expect_same_vocab(&b.vocab);
    for (size_t i = 0; i < dims_n_tensors(&dims); i++) {
        struct tensor t;
        dims_tensor(&dims, i, &t);
        size_t n = t.form == TENSOR_TERNARY ? t.shape[0] * blob_row_bytes(t.shape[1]) : 4 * t.n;
        assert_memory_equal(b.tensors[i].data, tensors[i].data, n);
        assert_true(b.tensors[i].alpha == tensors[i].alpha);
        assert_int_equal(((const unsigned char *)b.tensors[i].data - b.data) % 64, 0);
    }
    toyblob_close(&b);
}

static void test_embeddings(void **state)
{
    (void)state;
    struct err e;
    struct blob b;
    float row[6];
    for (int embed = 0; embed < 3; embed++) {
        assert_int_equal(toyblob_open(&b, write_good((enum number_type)embed), &e), 0);
        assert_int_equal(b.embed, embed);
        for (size_t id = 0; id < TOYVOCAB_SIZE; id++) {
            const float *w = params + id * 6;
            float most = 0;
            for (size_t c = 0; c < 6; c++)
                most = fmaxf(most, fabsf(w[c]));
            const struct blob_tensor *t = &b.tensors[0];
            size_t D = (size_t)b.dims.D;
            number_read(b.embed, (const char *)t->data + id * D * number_bytes(b.embed),
                        t->row_scales ? t->row_scales[id] : 1, D, row);
            for (size_t c = 0; c < 6; c++) {
                if (embed == NUMBER_F32)
                    assert_true(row[c] == w[c]);
                else if (embed == NUMBER_F16)
                    assert_true(row[c] == number_f16_value(number_f16(w[c])));
                else
                    assert_true(fabsf(row[c] - w[c]) <= most / 127 * 0.50001f);
            }
        }
        toyblob_close(&b);
    }
}

static void test_same_bytes(void **state)
{
    (void)state;
    size_t n1, n2;
    unsigned char *one = scratch_read(write_good(NUMBER_F16), &n1);
    /* other counts and another place in memory, the same content */
    float *copy = toy_params(&dims, 1);
    vocab.tokens[5].count = 12345;
    tensors[0].data = copy;
    unsigned char *two = scratch_read(write_good(NUMBER_F16), &n2);
    tensors[0].data = params;
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    free(copy);
    free(one);
    free(two);
}

static void expect_refused(const char *path, const char *message)
{
    struct err e;
    struct blob b;
    assert_int_equal(toyblob_open(&b, path, &e), -1);
    if (!strstr(e.text, path) || !strstr(e.text, message))
        fail_msg("'%s', expected '%s'", e.text, message);
}

static void test_truncation(void **state)
{
    (void)state;
    size_t n;
    unsigned char *data = scratch_read(write_good(NUMBER_Q8), &n);
    const char *path = scratch_path("short");
    for (size_t i = 0; i < n; i++) {
        scratch_write(path, data, i);
        expect_refused(path, "");
    }
    data[n] = 0; /* scratch_read leaves room for one more */
    scratch_write(path, data, n + 1);
    expect_refused(path, "wrong size");
    free(data);
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    size_t n;
    unsigned char *data = scratch_read(write_good(NUMBER_F16), &n);
    const char *path = scratch_path("flipped");
    for (size_t i = 0; i < n; i++) {
        data[i] ^= (unsigned char)(1u << i % 8);
        scratch_write(path, data, n);
        expect_refused(path, "");
        data[i] ^= (unsigned char)(1u << i % 8);
    }
    free(data);
}

/* The file BLOB.md goes through byte by byte. */
static void test_example(void **state)
{
    (void)state;
    struct err e;
    uint64_t fingerprint;
    const struct dims d = {.V = 11, .D = 2, .H = 3, .K = 2, .L = 1, .T = 4, .dilation = {1}};
    const float norm[2] = {1, 1.5f};
    const float conv[4] = {0, 1, 0.5f, -1};
    const uint8_t up[4] = {0x56, 0x58, 0x54, 0x59};
    const uint8_t down[2] = {0x5a, 0x51};
    const uint8_t gate[3] = {0x56, 0x55, 0x59};
    const uint8_t ffn_down[2] = {0x66, 0x48};
    float embed[22];
    for (int i = 0; i < 22; i++)
        embed[i] = (float)(i - 8) / 4;
    const struct blob_tensor example[10] = {
        {embed, NULL, 0},         {norm, NULL, 0}, {up, NULL, 0.5f}, {conv, NULL, 0},
        {down, NULL, 0.25f},      {norm, NULL, 0}, {gate, NULL, 1},  {gate, NULL, 2},
        {ffn_down, NULL, 0.125f}, {norm, NULL, 0},
    };
    const char *path = scratch_path("example");
    assert_int_equal(blob_write(path, &d, NUMBER_F16, &vocab, example, &fingerprint, NULL, &e), 0);
    assert_true(fingerprint == 0xfc1bb6c096e3c527);
    size_t n;
    unsigned char *data = scratch_read(path, &n);
    assert_int_equal(n, 1288);
    assert_true(le_get64(data + BLOB_AT_HEADER_CHECK) == 0xbcf258377f35e565);
    free(data);
}

/* ---- one file a rule ---- */

enum { N_SECTIONS = 2 + 2 + 8 * 2, CONFIG = 0, EMBED = 2, UP = 4 };

static unsigned char *bytes;
static size_t n_bytes;

static unsigned char *entry(size_t section)
{
    return bytes + BLOB_HEADER_BYTES + section * BLOB_ENTRY_SIZE;
}

static unsigned char *content(size_t section)
{
    return bytes + le_get64(entry(section) + BLOB_ENTRY_AT);
}

static void put_float(unsigned char *p, float x)
{
    memcpy(p, &x, sizeof x);
}

/* Puts hash and check right, writes the file, expects it refused for this, and takes back the good
 * bytes. */
static void broken(const char *message)
{
    const char *path = scratch_path("broken");
    le_put64(bytes + BLOB_AT_PAYLOAD_HASH,
             hash64(bytes + BLOB_HEADER_BYTES, n_bytes - BLOB_HEADER_BYTES));
    le_put64(bytes + BLOB_AT_HEADER_CHECK, hash64(bytes, BLOB_AT_HEADER_CHECK));
    scratch_write(path, bytes, n_bytes);
    expect_refused(path, message);
    free(bytes);
    bytes = scratch_read(scratch_path("good"), &n_bytes);
}

static void test_header_rules(void **state)
{
    (void)state;
    bytes = scratch_read(write_good(NUMBER_F32), &n_bytes);
    bytes[0] ^= 1;
    broken("not a model blob");
    le_put32(bytes + BLOB_AT_VERSION, 1);
    broken("found 1, expected 2 to 5");
    le_put32(bytes + BLOB_AT_VERSION, 6);
    broken("found 6, expected 2 to 5");
    le_put32(bytes + BLOB_AT_VERSION, 5); /* whose configuration tells of mixers */
    broken("does not fit 2 blocks");
    le_put32(bytes + BLOB_AT_HEADER_BYTES, 64);
    broken("found 64 and 32, expected 128 and 32");
    le_put32(bytes + BLOB_AT_ENTRY_BYTES, 40);
    broken("found 128 and 40, expected 128 and 32");
    bytes[BLOB_AT_ZERO + 5] = 1;
    broken("reserved bytes");
    le_put64(bytes + BLOB_AT_FILE_BYTES, UINT64_MAX);
    broken("wrong size");
    le_put32(bytes + BLOB_AT_N_SECTIONS, UINT32_MAX);
    broken("impossible number of sections (found 4294967295)");
    le_put32(bytes + BLOB_AT_N_SECTIONS, 1);
    broken("impossible number of sections (found 1)");
    le_put32(bytes + BLOB_AT_N_SECTIONS, N_SECTIONS - 1);
    broken("bytes between sections");
    le_put32(bytes + BLOB_AT_N_SECTIONS, N_SECTIONS - 2);
    broken("section 0 stands at");
    le_put32(bytes + BLOB_AT_N_SECTIONS, N_SECTIONS + 2);
    broken("section 0 stands at");
    free(bytes);
}

static void test_section_rules(void **state)
{
    (void)state;
    bytes = scratch_read(write_good(NUMBER_F32), &n_bytes);
    le_put32(entry(CONFIG) + BLOB_ENTRY_TYPE, 9);
    broken("section 0 has type 9");
    le_put32(entry(UP) + BLOB_ENTRY_INDEX, 1); /* the same tensor twice */
    broken("section 4 has type 3, number 1 (expected type 3, number 2)");
    le_put64(entry(UP) + BLOB_ENTRY_AT, le_get64(entry(UP - 1) + BLOB_ENTRY_AT)); /* overlap */
    broken("section 4 stands at");
    le_put64(entry(UP) + BLOB_ENTRY_AT, le_get64(entry(UP) + BLOB_ENTRY_AT) + 64); /* gap */
    broken("section 4 stands at");
    le_put64(entry(UP) + BLOB_ENTRY_AT, UINT64_MAX - 63);
    broken("section 4 stands at");
    le_put64(entry(UP) + BLOB_ENTRY_BYTES, UINT64_MAX);
    broken("section 4 stands at");
    le_put64(entry(UP) + BLOB_ENTRY_BYTES, le_get64(entry(UP) + BLOB_ENTRY_BYTES) - 1);
    broken("wrong size");
    content(CONFIG)[blob_config_bytes(&dims, 2)] = 1; /* after its last byte */
    broken("bytes between sections");
    unsigned char *longer = realloc(bytes, n_bytes + 64);
    assert_non_null(longer);
    memset(longer + n_bytes, 0, 64);
    bytes = longer;
    n_bytes += 64;
    le_put64(bytes + BLOB_AT_FILE_BYTES, n_bytes);
    broken("data after the last section");
    free(bytes);
}

static void test_config_rules(void **state)
{
    (void)state;
    bytes = scratch_read(write_good(NUMBER_F32), &n_bytes);
    le_put32(content(CONFIG), UINT32_MAX); /* V */
    broken("vocabulary size out of range");
    le_put32(content(CONFIG) + 4, 0); /* D */
    broken("model width out of range");
    le_put32(content(CONFIG) + 16, 3); /* L */
    broken("does not fit 3 blocks");
    le_put32(content(CONFIG) + 16, UINT32_MAX);
    broken("blocks");
    le_put32(content(CONFIG) + BLOB_CONFIG_FIXED, 0);
    broken("dilation out of range");
    le_put64(entry(CONFIG) + BLOB_ENTRY_BYTES, 20);
    broken("configuration too short");
    le_put32(content(CONFIG) + 4, 7);
    broken("wrong size");
    free(bytes);
}

static void test_mixers(void **state)
{
    (void)state;
    struct err e;
    struct blob b;
    const size_t at = BLOB_CONFIG_FIXED + 4 * 2;
    assert_int_equal(toyblob_open(&b, write_good(NUMBER_Q8), &e), 0);
    assert_int_equal(b.version, 5);
    toyblob_close(&b);
    bytes = scratch_read(scratch_path("good"), &n_bytes);
    assert_int_equal(le_get64(entry(CONFIG) + BLOB_ENTRY_BYTES), at + 16 + 4 * 2);
    le_put32(content(CONFIG) + at, 4);
    broken("number of heads does not divide the model width (found 4 and 6)");
    le_put32(content(CONFIG) + at, 0);
    broken("number of heads out of range");
    le_put32(content(CONFIG) + at + 4, 513);
    broken("key width out of range");
    le_put32(content(CONFIG) + at + 8, UINT32_MAX);
    broken("window out of range");
    le_put32(content(CONFIG) + at + 12, 2);
    broken("embedding norm out of range");
    le_put32(content(CONFIG) + at + 20, 2);
    broken("mixer out of range (found 2, expected 0 to 1)");
    le_put32(content(CONFIG) + at + 20, UINT32_MAX);
    broken("mixer out of range");
    le_put32(content(CONFIG) + at + 20, 0); /* heads of no use */
    broken("number of heads out of range (found 2, expected 0 to 0)");
    le_put32(content(CONFIG) + at + 16, 1); /* both blocks; the first has dilation 2 */
    broken("dilation of a block without a convolution");
    le_put32(content(CONFIG) + at + 8, 10);
    broken("wrong size");
    le_put32(bytes + BLOB_AT_VERSION, 4);
    broken("does not fit 2 blocks");
    free(bytes);
}

static void test_tensor_rules(void **state)
{
    (void)state;
    bytes = scratch_read(write_good(NUMBER_F32), &n_bytes);
    le_put32(entry(EMBED) + BLOB_ENTRY_ENCODING, BLOB_TERNARY);
    broken("'embedding.weight' has the wrong encoding 3");
    le_put32(entry(UP) + BLOB_ENTRY_ENCODING, BLOB_F32);
    broken("'blocks.0.mixer.up.weight' has the wrong encoding 0");
    le_put32(entry(UP - 1) + BLOB_ENTRY_ENCODING, BLOB_F16);
    broken("'blocks.0.norm1.scale' has the wrong encoding 1");
    le_put32(entry(EMBED) + BLOB_ENTRY_ENCODING, BLOB_F16);
    broken("'embedding.weight' has a wrong size");
    put_float(entry(UP) + BLOB_ENTRY_ALPHA, NAN);
    broken("impossible scale");
    put_float(entry(UP) + BLOB_ENTRY_ALPHA, -1);
    broken("impossible scale");
    put_float(entry(EMBED) + BLOB_ENTRY_ALPHA, 1);
    broken("impossible scale");
    put_float(content(EMBED) + 8, NAN);
    broken("'embedding.weight' holds an invalid number");
    put_float(content(N_SECTIONS - 1), INFINITY);
    broken("'final_norm.scale' holds an invalid number");
    content(UP)[2] |= 3 << 4;
    broken("invalid ternary code");
    content(UP)[1] = (unsigned char)((content(UP)[1] & 0x0f) | 0x10); /* a pad code of 0 */
    broken("invalid ternary code");
    free(bytes);
}

static void test_embedding_rules(void **state)
{
    (void)state;
    bytes = scratch_read(write_good(NUMBER_F16), &n_bytes);
    content(EMBED)[5] = 0x7c;
    broken("'embedding.weight' holds an invalid number");
    free(bytes);
    bytes = scratch_read(write_good(NUMBER_Q8), &n_bytes);
    put_float(content(EMBED), -1);
    broken("'embedding.weight' holds an invalid number");
    put_float(content(EMBED), NAN);
    broken("'embedding.weight' holds an invalid number");
    content(EMBED)[63] = 1; /* between scales and numbers */
    broken("'embedding.weight' holds an invalid number");
    content(EMBED)[64 + 3] = 0x80;
    broken("'embedding.weight' holds an invalid number");
    free(bytes);
}

static void expect_write_fails(const char *path, enum number_type embed, const char *message)
{
    struct err e;
    size_t before = scratch_count();
    assert_int_equal(blob_write(path, &dims, embed, &vocab, tensors, NULL, NULL, &e), -1);
    if (!strstr(e.text, message) || !strstr(e.text, path))
        fail_msg("'%s', expected '%s'", e.text, message);
    assert_int_equal(scratch_count(), before);
}

static void test_writer_errors(void **state)
{
    (void)state;
    expect_write_fails("/dev/full", NUMBER_F16, "No space left");
    expect_write_fails("/nonexistent/model.bolt", NUMBER_F16, "No such file");
    const char *path = scratch_path("bad");
    float kept = params[3];
    params[3] = NAN;
    expect_write_fails(path, NUMBER_F16, "not finite");
    params[3] = 70000;
    expect_write_fails(path, NUMBER_F16, "does not fit in f16");
    params[3] = kept;
    vocab.n_tokens--;
    expect_write_fails(path, NUMBER_F16, "another size");
    vocab.n_tokens++;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_same_bytes),      cmocka_unit_test(test_example),
        cmocka_unit_test(test_truncation),      cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_header_rules),    cmocka_unit_test(test_section_rules),
        cmocka_unit_test(test_config_rules),    cmocka_unit_test(test_tensor_rules),
        cmocka_unit_test(test_embedding_rules), cmocka_unit_test(test_writer_errors),
    };
    const struct CMUnitTest of_mixed[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mixers),
    };
    return cmocka_run_group_tests(tests, setup, teardown) +
           cmocka_run_group_tests(of_mixed, setup_mixed, teardown);
}
