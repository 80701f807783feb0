/* The vocabulary in a blob: merges are written as numbers and read back as strings, and each of the
 * reader rules 15 to 19 of BLOB.md has a file that breaks it. A broken file gets its hash and check
 * put right again, so that the rule itself must answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "blob/blob_layout.h"
#include "format/blob_file.h"
#include "support/scratch.h"
#include "support/toyblob.h"
#include "support/toyvocab.h"

#define BYTES(text)                                     \
    {                                                   \
        (const unsigned char *)(text), sizeof(text) - 1 \
    }

static const struct dims DIMS = {
    .V = TOYVOCAB_SIZE, .D = 1, .H = 1, .K = 1, .L = 1, .T = 1, .dilation = {1}};

/* Writes the smallest model there is with the toy's tokens and these merges. */
static int write_model(const char *name, struct vocab_merge *merges, uint32_t n_merges,
                       enum vocab_lines lines, struct err *e)
{
    static const float floats[TOYVOCAB_SIZE];
    static const unsigned char codes[2] = {0x55, 0x55};
    struct vocab v = toyvocab();
    struct blob_tensor tensors[10];
    v.merges = merges;
    v.n_merges = n_merges;
    v.form.lines = lines;
    assert_int_equal(dims_n_tensors(&DIMS), ARRAY_LEN(tensors));
    for (size_t i = 0; i < ARRAY_LEN(tensors); i++) {
        struct tensor t;
        dims_tensor(&DIMS, i, &t);
        tensors[i] =
            (struct blob_tensor){.data = t.form == TENSOR_TERNARY ? (const void *)codes : floats};
    }
    return blob_write(scratch_path(name), &DIMS, NUMBER_F32, &v, tensors, NULL, NULL, e);
}

/* ---- a file to break ---- */

static unsigned char *bytes;
static size_t n_bytes;

static void begin(struct vocab_merge *merges, uint32_t n_merges)
{
    struct err e;
    if (write_model("good", merges, n_merges, VOCAB_LINES_KEPT, &e))
        fail_msg("%s", e.text);
    bytes = scratch_read(scratch_path("good"), &n_bytes);
}

/* The section, and what stands in it. */
static unsigned char *section(void)
{
    return bytes + le_get64(bytes + BLOB_HEADER_BYTES + BLOB_ENTRY_SIZE + BLOB_ENTRY_AT);
}

static unsigned char *side(size_t merge, size_t i)
{
    return section() + BLOB_VOCAB_HEAD + 4 * merge + 2 * i;
}

static unsigned char *length(size_t token)
{
    return side(le_get32(section() + BLOB_VOCAB_N_MERGES), 0) + BLOB_VOCAB_LENGTH * token;
}

static unsigned char *strings(void)
{
    return length(TOYVOCAB_SIZE);
}

/* Expects the file refused for this, and takes back the good bytes. */
static void broken(const char *message)
{
    struct err e;
    struct blob b;
    const char *path = scratch_path("broken");
    le_put64(bytes + BLOB_AT_PAYLOAD_HASH,
             hash64(bytes + BLOB_HEADER_BYTES, n_bytes - BLOB_HEADER_BYTES));
    le_put64(bytes + BLOB_AT_HEADER_CHECK, hash64(bytes, BLOB_AT_HEADER_CHECK));
    scratch_write(path, bytes, n_bytes);
    assert_int_equal(toyblob_open(&b, path, &e), -1);
    if (!strstr(e.text, path) || !strstr(e.text, message))
        fail_msg("'%s', expected '%s'", e.text, message);
    free(bytes);
    bytes = scratch_read(scratch_path("good"), &n_bytes);
}

/* ---- what is written is read back ---- */

static void expect_merges(const struct vocab *got, const struct vocab_merge *merges,
                          uint32_t n_merges)
{
    struct vocab v = toyvocab();
    v.merges = (struct vocab_merge *)merges;
    v.n_merges = n_merges;
    assert_true(vocab_fingerprint(got) == vocab_fingerprint(&v));
    assert_int_equal(got->n_merges, n_merges);
    for (uint32_t i = 0; i < n_merges; i++) {
        const struct vocab_merge *m = &got->merges[i];
        assert_int_equal(m->left.n, merges[i].left.n);
        assert_int_equal(m->right.n, merges[i].right.n);
        assert_memory_equal(m->left.data, merges[i].left.data, m->left.n);
        assert_memory_equal(m->right.data, merges[i].right.data, m->right.n);
    }
    for (uint32_t i = 0; i < v.n_tokens; i++) {
        assert_int_equal(got->tokens[i].type, v.tokens[i].type);
        assert_int_equal(got->tokens[i].bytes.n, v.tokens[i].bytes.n);
        assert_memory_equal(got->tokens[i].bytes.data, v.tokens[i].bytes.data, v.tokens[i].bytes.n);
    }
}

static void expect_same_ids(const struct tokenizer *a, const struct tokenizer *b, const char *text)
{
    struct err e;
    struct token_buf from_a = {0}, from_b = {0};
    assert_int_equal(tokenizer_encode(a, NULL, text, strlen(text), &from_a, &e), 0);
    assert_int_equal(tokenizer_encode(b, NULL, text, strlen(text), &from_b, &e), 0);
    assert_int_equal(from_a.n, from_b.n);
    assert_memory_equal(from_a.ids, from_b.ids, from_a.n * sizeof *from_a.ids);
    free(from_a.ids);
    free(from_b.ids);
}

static void expect_round_trip(struct vocab_merge *merges, uint32_t n_merges)
{
    struct err e;
    struct blob b;
    struct vocab v = toyvocab();
    v.merges = merges;
    v.n_merges = n_merges;
    if (write_model("good", merges, n_merges, VOCAB_LINES_KEPT, &e) ||
        toyblob_open(&b, scratch_path("good"), &e))
        fail_msg("%s", e.text);
    expect_merges(&b.vocab, merges, n_merges);
    struct tokenizer *t = tokenizer_new(&v, &e);
    assert_non_null(t);
    expect_same_ids(t, b.tokenizer, "abc ab a cab abcabcc  aab\xff\xff!\xff");
    tokenizer_free(t);
    vocab_drop_merges(&b.vocab);
    expect_merges(&b.vocab, NULL, 0);
    toyblob_close(&b);
}

/* "abc" is made by merges 1 and 3, "abca" by 4 and 6. */
static struct vocab_merge twice[] = {{BYTES("a"), BYTES("b")},   {BYTES("ab"), BYTES("c")},
                                     {BYTES("b"), BYTES("c")},   {BYTES("a"), BYTES("bc")},
                                     {BYTES("abc"), BYTES("a")}, {BYTES("c"), BYTES("a")},
                                     {BYTES("ab"), BYTES("ca")}, {BYTES(" "), BYTES("abca")}};

static void test_numbers(void **state)
{
    (void)state;
    static const uint16_t expected[][2] = {{'a', 'b'}, {256, 'c'}, {'b', 'c'}, {'a', 258},
                                           {257, 'a'}, {'c', 'a'}, {256, 261}, {' ', 260}};
    expect_round_trip(twice, ARRAY_LEN(twice));
    begin(twice, ARRAY_LEN(twice));
    assert_memory_equal(side(0, 0), expected, sizeof expected);
    free(bytes);
    expect_round_trip(NULL, 0);
}

/* Every pair of bytes, and then two merges whose sides need more than 16 bits; with as many as may
 * be, sides of 2 bytes; with more, of 4. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 65538 };
    static unsigned char pairs[2 * 65536];
    static const unsigned char last[] = "\xff\xff!\xff";
    struct vocab_merge *merges = calloc(N, sizeof *merges);
    assert_non_null(merges);
    for (uint32_t i = 0; i < 65536; i++) {
        pairs[2 * i] = (unsigned char)(i >> 8);
        pairs[2 * i + 1] = (unsigned char)i;
        merges[i] = (struct vocab_merge){{pairs + 2 * i, 1}, {pairs + 2 * i + 1, 1}};
    }
    merges[65536] = (struct vocab_merge){{last, 2}, {last + 2, 1}};
    merges[65537] = (struct vocab_merge){{last, 3}, {last + 3, 1}};
    expect_round_trip(merges, N);
    begin(merges, N);
    const unsigned char *sides = section() + BLOB_VOCAB_HEAD;
    assert_int_equal(le_get32(sides + 8 * 65537), 256 + 65536);
    assert_int_equal(le_get32(sides + 8 * 65537 + 4), 0xff);
    le_put32(section() + BLOB_VOCAB_HEAD + 8 * 65537, 256 + 65537);
    broken("merge 65537 joins what is neither");
    le_put32(section() + BLOB_VOCAB_HEAD + 8 * 65537 + 4, UINT32_MAX);
    broken("merge 65537 joins what is neither");
    free(bytes);

    /* the last merge of 65,280 makes number 65,535 */
    size_t n_long, n_short;
    expect_round_trip(merges, BLOB_MAX_SHORT_MERGES + 1);
    free(scratch_read(scratch_path("good"), &n_long));
    expect_round_trip(merges, BLOB_MAX_SHORT_MERGES);
    free(scratch_read(scratch_path("good"), &n_short));
    assert_true(n_long - n_short >= 4 * BLOB_MAX_SHORT_MERGES);
    free(merges);
}

/* What version 2 cannot say is version 3; what it can say stays version 2. */
static void test_versions(void **state)
{
    (void)state;
    for (int lines = VOCAB_LINES_KEPT; lines <= VOCAB_LINES_LF; lines++) {
        struct err e;
        struct blob b;
        struct vocab v = toyvocab();
        v.form.lines = (enum vocab_lines)lines;
        if (write_model("good", v.merges, v.n_merges, v.form.lines, &e) ||
            toyblob_open(&b, scratch_path("good"), &e))
            fail_msg("%s", e.text);
        assert_int_equal(b.version, lines == VOCAB_LINES_KEPT ? 2 : 3);
        assert_int_equal(b.vocab.form.lines, lines);
        assert_int_equal(b.vocab.form.normalize, VOCAB_NORM_NFC);
        assert_true(b.vocab_fingerprint == vocab_fingerprint(&v));
        toyblob_close(&b);
    }
    bytes = scratch_read(scratch_path("good"), &n_bytes);
    le_put32(bytes + BLOB_AT_VERSION, 2); /* which has no form of lines */
    broken("unknown kind of vocabulary (kind 1, normalisation 1, lines 1, pre-tokens 0)");
    le_put16(section() + BLOB_VOCAB_LINES, VOCAB_LINES_KEPT); /* then it is another vocabulary */
    broken("wrong fingerprint of the vocabulary");
    le_put16(section() + BLOB_VOCAB_LINES, 2);
    broken("unknown kind of vocabulary (kind 1, normalisation 1, lines 2, pre-tokens 0)");
    free(bytes);
}

/* What version 3 cannot say is version 4. The toy is no bpe vocabulary, so that it is refused at
 * the end, unless it is by a rule before. */
static void test_pretokens(void **state)
{
    (void)state;
    begin(toyvocab().merges, toyvocab().n_merges);
    le_put32(bytes + BLOB_AT_VERSION, 4);
    le_put16(section() + BLOB_VOCAB_PRETOKENS, VOCAB_SENTENCES);
    broken("a vocabulary of kind gpt2 has no merges across words");
    le_put32(bytes + BLOB_AT_VERSION, 4);
    le_put16(section() + BLOB_VOCAB_PRETOKENS, 2);
    broken("pre-tokens 2)");
    for (uint32_t version = 2; version < 4; version++) { /* which have no pre-tokens */
        le_put32(bytes + BLOB_AT_VERSION, version);
        le_put16(section() + BLOB_VOCAB_PRETOKENS, VOCAB_SENTENCES);
        broken("lines 0, pre-tokens 1)");
    }
    free(bytes);
}

/* ---- one file a rule ---- */

static void test_section_rules(void **state)
{
    (void)state;
    begin(toyvocab().merges, toyvocab().n_merges);
    le_put32(section() + BLOB_VOCAB_KIND, 2);
    broken("unknown kind of vocabulary");
    le_put32(section() + BLOB_VOCAB_KIND, VOCAB_BPE);
    broken("is not a token of this bpe vocabulary");
    le_put16(section() + BLOB_VOCAB_NORMALIZE, 3);
    broken("unknown kind of vocabulary");
    le_put32(section() + BLOB_VOCAB_N_TOKENS, TOYVOCAB_SIZE - 1);
    broken("vocabulary of 10 tokens");
    le_put32(section() + BLOB_VOCAB_N_MERGES, UINT32_MAX);
    broken("4294967295 merges");
    le_put32(section() + BLOB_VOCAB_N_MERGES, VOCAB_MAX_MERGES);
    broken("tables of the vocabulary");
    le_put32(section() + BLOB_VOCAB_N_MERGES, 2);
    broken("tables of the vocabulary");
    le_put64(section() + BLOB_VOCAB_N_BYTES, UINT64_MAX);
    broken("tables of the vocabulary");
    le_put64(bytes + BLOB_HEADER_BYTES + BLOB_ENTRY_SIZE + BLOB_ENTRY_BYTES, BLOB_VOCAB_HEAD - 1);
    broken("vocabulary too short");
    le_put64(section() + BLOB_VOCAB_FINGERPRINT, 1);
    broken("wrong fingerprint of the vocabulary");
    free(bytes);
}

static void test_token_rules(void **state)
{
    (void)state;
    begin(toyvocab().merges, toyvocab().n_merges);
    le_put16(length(0), 0xffff);
    broken("strings of the vocabulary");
    le_put16(length(10), 1); /* one byte left over */
    broken("strings of the vocabulary");
    le_put16(length(10), 3); /* one too many */
    broken("strings of the vocabulary");
    le_put16(length(4), 0); /* "" and "ab" instead of "a" and "b" */
    le_put16(length(5), 2);
    broken("token 4 has a bad length");
    strings()[0] = '[';
    broken("token 0 is not the special <pad>");
    strings()[20 + 1] = 'a'; /* the token "b" */
    broken("same bytes");
    strings()[20 + 1] = 'x'; /* sound, but another vocabulary */
    broken("wrong fingerprint of the vocabulary");
    free(bytes);
}

static void test_merge_rules(void **state)
{
    (void)state;
    begin(twice, ARRAY_LEN(twice));
    for (size_t merge = 0; merge < ARRAY_LEN(twice); merge++) {
        for (size_t i = 0; i < 2; i++) {
            le_put16(side(merge, i), (uint16_t)(256 + merge)); /* itself */
            broken("neither a byte nor an earlier merge's result");
            le_put16(side(merge, i), 0xffff);
            broken("neither a byte nor an earlier merge's result");
        }
    }
    le_put16(side(4, 0), 259); /* the same bytes as 257 */
    broken("the left part of merge 4 is number 259 (expected 257, the same bytes)");
    le_put16(side(7, 1), 262);
    broken("the right part of merge 7 is number 262 (expected 260, the same bytes)");
    le_put16(side(2, 0), 'a');
    le_put16(side(2, 1), 'b');
    broken("merge 2 repeats merge 0");
    le_put16(side(7, 1), 'x');
    broken("wrong fingerprint of the vocabulary");
    free(bytes);
}

/* Merges whose results are as long as may be: merge i < 10 makes 2^(i+1) a's, of 1,024 the most;
 * 256 more make 256 a's and a byte, and the rest are pairs of these, so many that the results have
 * just not more than BLOB_MAX_MERGED_BYTES together. One more follows them. */
enum {
    N_DOUBLING = 10,
    N_START = N_DOUBLING + 256,
    START_BYTES = 2 * VOCAB_MAX_TOKEN_BYTES - 2 + 256 * 257,
    N_LONG = N_START + (BLOB_MAX_MERGED_BYTES - START_BYTES) / 514
};

static struct vocab_merge *long_merges(void)
{
    static unsigned char text[256][512];
    struct vocab_merge *merges = calloc(N_LONG + 1, sizeof *merges);
    assert_non_null(merges);
    memset(text, 'a', sizeof text);
    for (uint32_t i = 0; i < N_DOUBLING; i++)
        merges[i] = (struct vocab_merge){{text['a'], 1u << i}, {text['a'], 1u << i}};
    for (uint32_t b = 0; b < 256; b++) {
        text[b][256] = (unsigned char)b;
        merges[N_DOUBLING + b] = (struct vocab_merge){{text[b], 256}, {text[b] + 256, 1}};
    }
    for (uint32_t i = N_START; i <= N_LONG; i++) {
        uint32_t pair = i - N_START;
        merges[i] = (struct vocab_merge){{text[pair / 256], 257}, {text[pair % 256], 257}};
    }
    return merges;
}

static void test_lengths(void **state)
{
    (void)state;
    struct err e;
    struct vocab_merge *merges = long_merges();
    expect_round_trip(merges, N_LONG);
    begin(merges, N_LONG);
    le_put16(side(N_DOUBLING, 0), 256 + N_DOUBLING - 1);
    broken("merge 10 makes a token of 1025 bytes (at most 1024)");
    le_put16(side(N_LONG - 1, 0), 256 + N_DOUBLING - 2); /* 1,024 bytes instead of 514 */
    le_put16(side(N_LONG - 1, 1), 256 + N_DOUBLING - 2);
    broken("bytes (at most 16777216)");
    free(bytes);
    size_t before = scratch_count();
    assert_int_equal(write_model("more", merges, N_LONG + 1, VOCAB_LINES_KEPT, &e), -1);
    assert_non_null(strstr(e.text, "bytes (at most 16777216)"));
    assert_int_equal(scratch_count(), before);
    free(merges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_versions),      cmocka_unit_test(test_pretokens),
        cmocka_unit_test(test_section_rules), cmocka_unit_test(test_token_rules),
        cmocka_unit_test(test_merge_rules),   cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
