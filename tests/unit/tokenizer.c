/* The tokenizer: merges by rank, unknown pieces, round trips on arbitrary bytes and on real text,
 * with and without a cache. GPT-2's ids are in gpt2vocab.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "prep/bpetrain.h"
#include "support/counted.h"
#include "support/slowtok.h"
#include "support/toyvocab.h"
#include "text/tokenizer.h"

static const char TEXT[] =
    "Once upon a time, there was a little girl named Lily. She loved to play with her little dog. "
    "\"Let's play,\" said Lily. The little dog was happy, and they played all day.\n\nThe end.";

static void expect_ids(const struct tokenizer *t, struct tokenizer_cache *cache, const char *text,
                       size_t n, const uint16_t *ids, size_t n_ids)
{
    struct err e;
    struct token_buf out = {0};
    for (int round = 0; round < 2; round++) { /* the second time out of the cache */
        out.n = 0;
        assert_int_equal(tokenizer_encode(t, cache, text, n, &out, &e), 0);
        assert_int_equal(out.n, n_ids);
        if (n_ids)
            assert_memory_equal(out.ids, ids, n_ids * sizeof *ids);
    }
    free(out.ids);
}

static void test_merges_by_rank(void **state)
{
    (void)state;
    struct err e;
    struct vocab v = toyvocab();
    struct tokenizer *t = tokenizer_new(&v, &e);
    struct tokenizer_cache *caches[] = {NULL, tokenizer_cache_new(&e)};
    assert_non_null(t);
    assert_non_null(caches[1]);
    for (int i = 0; i < 2; i++) {
        /* (a, b) has rank 0, so " abc" is " " "abc" and never " a" "b" "c" */
        expect_ids(t, caches[i], "abc abc ac", 10, (uint16_t[]){9, 7, 9, 10, 6}, 5);
        expect_ids(t, caches[i], "abababc", 7, (uint16_t[]){8, 8, 9}, 3);
        expect_ids(t, caches[i], "axb", 3, (uint16_t[]){4, VOCAB_UNK, 5}, 3);
        expect_ids(t, caches[i], "\xc3\xa9", 2, (uint16_t[]){VOCAB_UNK, VOCAB_UNK}, 2);
        expect_ids(t, caches[i], "", 0, NULL, 0);
        /* the specials' names are text like any other */
        expect_ids(t, caches[i], "<bos>", 5,
                   (uint16_t[]){VOCAB_UNK, 5, VOCAB_UNK, VOCAB_UNK, VOCAB_UNK}, 5);
    }
    tokenizer_cache_free(caches[1]);
    tokenizer_free(t);
}

static void test_decodes_specials(void **state)
{
    (void)state;
    struct err e;
    struct vocab v = toyvocab();
    struct tokenizer *t = tokenizer_new(&v, &e);
    assert_non_null(t);
    assert_int_equal(tokenizer_decode(t, VOCAB_PAD).n, 0);
    assert_int_equal(tokenizer_decode(t, VOCAB_BOS).n, 0);
    assert_int_equal(tokenizer_decode(t, VOCAB_EOS).n, 0);
    assert_int_equal(tokenizer_decode(t, VOCAB_UNK).n, 3);
    assert_memory_equal(tokenizer_decode(t, VOCAB_UNK).data, "\xef\xbf\xbd", 3);
    assert_int_equal(tokenizer_decode(t, 9).n, 3);
    assert_memory_equal(tokenizer_decode(t, 9).data, "abc", 3);
    tokenizer_free(t);
}

static void test_unknown_pieces(void **state)
{
    (void)state;
    struct err e;
    struct vocab v = toyvocab();
    v.n_tokens = 5; /* only "a" left: the pieces stay what the merges make them */
    struct tokenizer *t = tokenizer_new(&v, &e);
    assert_non_null(t);
    expect_ids(t, NULL, "abca", 4, (uint16_t[]){VOCAB_UNK, 4}, 2);
    expect_ids(t, NULL, "xababc a", 8, (uint16_t[]){VOCAB_UNK, VOCAB_UNK, VOCAB_UNK, VOCAB_UNK}, 4);
    tokenizer_free(t);
}

static void test_refuses_bad_merges(void **state)
{
    (void)state;
    struct vocab v = toyvocab();
    struct vocab_merge swapped[] = {v.merges[1], v.merges[0]};
    struct err e = {.text = ""};
    v.merges = swapped;
    v.n_merges = 2;
    assert_null(tokenizer_new(&v, &e));
    assert_non_null(strstr(e.text, "neither a byte nor an earlier merge's result"));
    tokenizer_free(NULL);
}

/* ---- a trained vocabulary -------------------------------------------------------------------- */

struct trained {
    struct words words;
    struct vocab vocab;
    struct tokenizer *tokenizer;
    struct tokenizer_cache *cache;
};

static void train(struct trained *t, uint32_t size)
{
    struct pretokens words = counted_all(&t->words, 1);
    struct err e;
    if (bpetrain_run(&t->vocab, &words, size, false,
                     (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF}, &e))
        fail_msg("%s", e.text);
    t->tokenizer = tokenizer_new(&t->vocab, &e);
    t->cache = tokenizer_cache_new(&e);
    assert_true(t->tokenizer && t->cache);
}

static void release(struct trained *t)
{
    tokenizer_cache_free(t->cache);
    tokenizer_free(t->tokenizer);
    vocab_release(&t->vocab);
    words_release(&t->words);
}

/* Encodes with and without the cache, decodes, and expects the same bytes and never a special. */
static void round_trip(void *context, const char *text, size_t n)
{
    const struct trained *t = context;
    struct err e;
    struct token_buf with = {0};
    struct token_buf without = {0};
    assert_int_equal(tokenizer_encode(t->tokenizer, t->cache, text, n, &with, &e), 0);
    assert_int_equal(tokenizer_encode(t->tokenizer, NULL, text, n, &without, &e), 0);
    assert_int_equal(with.n, without.n);
    if (with.n)
        assert_memory_equal(with.ids, without.ids, with.n * sizeof *with.ids);
    size_t at = 0;
    for (size_t i = 0; i < with.n; i++) {
        assert_in_range(with.ids[i], VOCAB_N_SPECIAL, t->vocab.n_tokens - 1);
        struct vocab_bytes b = tokenizer_decode(t->tokenizer, with.ids[i]);
        assert_true(b.n <= n - at);
        assert_memory_equal(b.data, text + at, b.n);
        at += b.n;
    }
    assert_int_equal(at, n);
    free(with.ids);
    free(without.ids);
}

static void test_arbitrary_bytes(void **state)
{
    (void)state;
    struct trained t = {0};
    counted_add(&t.words, TEXT, strlen(TEXT));
    train(&t, 300);
    struct rng r;
    rng_seed(&r, 3, 0);
    for (int round = 0; round < 300; round++) {
        char text[400];
        size_t n = rng_below(&r, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = round % 2 ? (char)rng_below(&r, 256) : TEXT[rng_below(&r, strlen(TEXT))];
        round_trip(&t, text, n);
    }
    round_trip(&t, TEXT, strlen(TEXT));
    round_trip(&t, "<|endoftext|><eos><pad>\0\0", 25);
    release(&t);
}

/* A word of a million bytes takes no million times a million steps, and a hit on the cache never
 * mistakes a word for its beginning. */
static void test_long_words(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct trained t = {0};
    counted_add(&t.words, TEXT, strlen(TEXT));
    counted_add(&t.words, "aaaaaaaaaaaaaaaa", 16);
    train(&t, 320);
    char *text = malloc(N);
    memset(text, 'a', N);
    round_trip(&t, text, N);
    for (size_t n = 1; n < 100; n++) {
        text[n] = ' ';
        round_trip(&t, text, 100);
        text[n] = 'a';
    }
    static const char zeros[30];
    for (size_t n = 0; n < sizeof zeros; n++)
        round_trip(&t, zeros, n);
    free(text);
    release(&t);
}

static void test_long_words_like_the_definition(void **state)
{
    (void)state;
    struct trained t = {0};
    static char text[SLOWTOK_MOST];
    static uint16_t ids[sizeof text];
    struct rng r;
    rng_seed(&r, 21, 0);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (rng_below(&r, 40) ? i % 7 : rng_below(&r, 3)));
    counted_add(&t.words, text, sizeof text);
    train(&t, 330);
    for (int round = 0; round < 12; round++) {
        size_t n = 1 + rng_below(&r, round < 6 ? 200 : 1500);
        for (size_t i = 0; i < n; i++)
            text[i] =
                (char)('a' + (rng_below(&r, 30) ? (i + (size_t)round) % 7 : rng_below(&r, 3)));
        expect_ids(t.tokenizer, t.cache, text, n, ids, slowtok_pretoken(&t.vocab, text, n, ids));
    }
    release(&t);
}

static void add_story(void *context, const char *text, size_t n)
{
    struct trained *t = context;
    counted_add(&t->words, text, n);
}

static void test_real_text(void **state)
{
    (void)state;
    struct trained t = {0};
    if (!counted_tinystories(add_story, &t))
        skip(); /* TINYSTORIES_DIR is not set */
    train(&t, 4096);
    counted_tinystories(round_trip, &t);
    release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_rank),
        cmocka_unit_test(test_decodes_specials),
        cmocka_unit_test(test_unknown_pieces),
        cmocka_unit_test(test_refuses_bad_merges),
        cmocka_unit_test(test_arbitrary_bytes),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_long_words_like_the_definition),
        cmocka_unit_test(test_real_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
