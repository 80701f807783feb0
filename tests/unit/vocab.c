/* Vocabularies as data: every check has a vocabulary that fails it, and the fingerprint covers what
 * an id means and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/toyvocab.h"
#include "text/vocab.h"

static struct vocab_token tokens[TOYVOCAB_SIZE];
static struct vocab_merge merges[4];

/* A copy of the toy vocabulary that may be changed. */
static struct vocab fresh(void)
{
    struct vocab v = toyvocab();
    memcpy(tokens, v.tokens, sizeof tokens);
    memcpy(merges, v.merges, v.n_merges * sizeof *merges);
    v.tokens = tokens;
    v.merges = merges;
    return v;
}

static struct vocab_bytes bytes(const char *text)
{
    return (struct vocab_bytes){(const unsigned char *)text, (uint32_t)strlen(text)};
}

static void expect_refused(const struct vocab *v, const char *message)
{
    struct err e = {.text = ""};
    assert_int_equal(vocab_check(v, "v.db", &e), -1);
    assert_ptr_equal(strstr(e.text, "v.db: "), e.text);
    if (!strstr(e.text, message))
        fail_msg("\"%s\" does not say \"%s\"", e.text, message);
}

static void test_accepts_the_toy(void **state)
{
    (void)state;
    struct err e;
    struct vocab v = fresh();
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    v.tokens[9].bytes = bytes("<pad>"); /* specials' names are no bytes that text could meet */
    assert_int_equal(vocab_check(&v, "v", &e), 0);
}

static void test_refuses_bad_tokens(void **state)
{
    (void)state;
    static char long_token[VOCAB_MAX_TOKEN_BYTES + 2];
    memset(long_token, 'x', VOCAB_MAX_TOKEN_BYTES + 1);
    struct vocab v = fresh();
    v.n_tokens = VOCAB_N_SPECIAL;
    expect_refused(&v, "number of tokens (found 4, expected 5 to 65536)");
    v = fresh();
    v.n_tokens = VOCAB_MAX_TOKENS + 1;
    expect_refused(&v, "number of tokens (found 65537");
    v = fresh();
    tokens[2].bytes = bytes("<eos>");
    expect_refused(&v, "token 2 is not the special <bos>");
    v = fresh();
    tokens[0].type = VOCAB_MERGED;
    expect_refused(&v, "token 0 is not the special <pad>");
    v = fresh();
    tokens[8].type = VOCAB_SPECIAL;
    expect_refused(&v, "token 8 of 2 bytes is of the wrong kind (expected merged)");
    v = fresh();
    tokens[5].type = VOCAB_MERGED;
    expect_refused(&v, "token 5 of 1 bytes is of the wrong kind (expected byte)");
    v = fresh();
    tokens[8].bytes.n = 0;
    expect_refused(&v, "token 8 has a bad length (found 0");
    v = fresh();
    tokens[8].bytes = bytes(long_token);
    expect_refused(&v, "token 8 has a bad length (found 1025");
    v = fresh();
    tokens[10].bytes = bytes("ab");
    expect_refused(&v, "tokens 8 and 10 are the same bytes");
}

static void test_refuses_bad_merges(void **state)
{
    (void)state;
    static char half[VOCAB_MAX_TOKEN_BYTES];
    memset(half, 'a', sizeof half - 1);
    struct vocab v = fresh();
    merges[1].left = bytes("bc");
    expect_refused(&v, "left part of merge 1 is neither a byte nor an earlier merge's result");
    v = fresh();
    merges[0].right = bytes("ab"); /* its own result */
    expect_refused(&v, "right part of merge 0 is neither");
    v = fresh();
    merges[2].left.n = 0;
    expect_refused(&v, "left part of merge 2 is empty");
    v = fresh();
    merges[2] = merges[0];
    expect_refused(&v, "merge 2 repeats merge 0");
    v = fresh();
    v.n_merges = VOCAB_MAX_MERGES + 1;
    expect_refused(&v, "too many merges");
}

/* aa, aaaa, ... up to 1,024 bytes is fine; one more doubling is not. */
static void test_refuses_long_results(void **state)
{
    (void)state;
    static unsigned char run[2 * VOCAB_MAX_TOKEN_BYTES];
    struct vocab_merge doubling[11];
    memset(run, 'a', sizeof run);
    for (uint32_t i = 0; i < 11; i++)
        doubling[i].left = doubling[i].right = (struct vocab_bytes){run, 1u << i};
    struct vocab v = fresh();
    struct err e;
    v.merges = doubling;
    v.n_merges = 10;
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    v.n_merges = 11;
    expect_refused(&v, "merge 10 makes a token of 2048 bytes (at most 1024)");
}

static void test_refuses_unknown_settings(void **state)
{
    (void)state;
    struct vocab v = fresh();
    v.kind = (enum vocab_kind)2;
    expect_refused(&v, "unknown kind of vocabulary 2");
    v = fresh();
    v.form.normalize = (enum vocab_normalize) - 1;
    expect_refused(&v, "unknown normalisation");
    v = fresh();
    v.form.lines = (enum vocab_lines)2;
    expect_refused(&v, "unknown form of lines 2");
}

/* A bpe vocabulary is whole: 256 bytes and the results of its merges, no more and no fewer. */
static void test_bpe_is_whole(void **state)
{
    (void)state;
    enum { N = VOCAB_N_SPECIAL + 256 + 1 };
    static unsigned char all[256];
    static struct vocab_token whole[N + 1];
    struct vocab v = fresh();
    struct err e;
    memcpy(whole, tokens, VOCAB_N_SPECIAL * sizeof *whole);
    for (int b = 0; b < 256; b++) {
        all[b] = (unsigned char)b;
        whole[VOCAB_N_SPECIAL + b] = (struct vocab_token){{all + b, 1}, VOCAB_BYTE, 0};
    }
    whole[N - 1] = (struct vocab_token){bytes("ab"), VOCAB_MERGED, 0};
    v.kind = VOCAB_BPE;
    v.tokens = whole;
    v.n_tokens = N;
    v.n_merges = 1;
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    v.n_merges = 2;
    expect_refused(&v, "a merge makes 3 bytes that are no token of this bpe vocabulary");
    v.n_merges = 0;
    expect_refused(&v, "no merge makes token 260 of this bpe vocabulary");
    v.n_merges = 1;
    whole[VOCAB_N_SPECIAL + 200].bytes = bytes("zz");
    whole[VOCAB_N_SPECIAL + 200].type = VOCAB_MERGED;
    expect_refused(&v, "byte 200 is not a token of this bpe vocabulary");
}

/* The value is computed from VOCAB.md by another implementation of XXH3. */
static void test_fingerprint_is_the_specified(void **state)
{
    (void)state;
    struct vocab v = toyvocab();
    assert_true(vocab_fingerprint(&v) == UINT64_C(0xeb00ed6953c13a21));
}

static void test_fingerprint_covers_meaning(void **state)
{
    (void)state;
    struct vocab v = fresh();
    const uint64_t before = vocab_fingerprint(&v);
    tokens[5].count += 1;
    assert_true(vocab_fingerprint(&v) == before);
    v.kind = VOCAB_BPE;
    assert_true(vocab_fingerprint(&v) != before);
    v = fresh();
    v.form.normalize = VOCAB_NORM_NFKC;
    assert_true(vocab_fingerprint(&v) != before);
    v = fresh();
    v.form.lines = VOCAB_LINES_LF;
    assert_true(vocab_fingerprint(&v) != before);
    v = fresh();
    v.n_merges--;
    assert_true(vocab_fingerprint(&v) != before);
    v = fresh();
    tokens[4].bytes = bytes("d");
    assert_true(vocab_fingerprint(&v) != before);
    v = fresh();
    tokens[4] = v.tokens[5];
    tokens[5].bytes = bytes("a");
    assert_true(vocab_fingerprint(&v) != before); /* two ids exchanged */
    v = fresh();
    merges[1] = (struct vocab_merge){bytes("a"), bytes("bc")}; /* the same bytes, cut elsewhere */
    assert_true(vocab_fingerprint(&v) != before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_the_toy),
        cmocka_unit_test(test_refuses_bad_tokens),
        cmocka_unit_test(test_refuses_bad_merges),
        cmocka_unit_test(test_refuses_long_results),
        cmocka_unit_test(test_refuses_unknown_settings),
        cmocka_unit_test(test_bpe_is_whole),
        cmocka_unit_test(test_fingerprint_is_the_specified),
        cmocka_unit_test(test_fingerprint_covers_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
