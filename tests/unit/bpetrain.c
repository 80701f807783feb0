/* The BPE trainer: an example worked out by hand, a slow trainer written from the definition, and
 * what must not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "prep/bpetrain.h"
#include "support/counted.h"
#include "text/tokenizer.h"

static struct pretoken word(const char *text, uint64_t count)
{
    return (struct pretoken){(const unsigned char *)text, (uint32_t)strlen(text), count, 0};
}

static struct vocab_bytes bytes(const char *text)
{
    return (struct vocab_bytes){(const unsigned char *)text, (uint32_t)strlen(text)};
}

static bool same(struct vocab_bytes a, struct vocab_bytes b)
{
    return a.n == b.n && !memcmp(a.data, b.data, a.n);
}

static struct vocab train(const struct pretoken *items, size_t n, uint32_t size)
{
    struct pretokens words = {items, n, 7};
    struct vocab v;
    struct err e;
    if (bpetrain_run(&v, &words, size, VOCAB_NORM_NFC, &e))
        fail_msg("%s", e.text);
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    assert_int_equal(v.n_tokens, size);
    return v;
}

/* Sennrich, Haddow and Birch's example: (e, s) and (s, t) both stand there 9 times, so (e, s) is
 * first; later (l, o) goes before (o, w), and so on. */
static const char *const SENNRICH[][2] = {
    {"e", "s"},     {"es", "t"},  {"l", "o"},    {"lo", "w"},    {"e", "w"}, {"ew", "est"},
    {"n", "ewest"}, {"d", "est"}, {"i", "dest"}, {"w", "idest"}, {"e", "r"}, {"low", "er"},
};

static void by_hand(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("low", 5), word("lower", 2), word("newest", 6),
                                     word("widest", 3)};
    struct vocab v = train(items, 4, 272);
    assert_int_equal(v.kind, VOCAB_BPE);
    assert_int_equal(v.normalize, VOCAB_NORM_NFC);
    assert_int_equal(v.n_merges, ARRAY_LEN(SENNRICH));
    for (uint32_t i = 0; i < v.n_merges; i++)
        assert_true(same(v.merges[i].left, bytes(SENNRICH[i][0])) &&
                    same(v.merges[i].right, bytes(SENNRICH[i][1])));
    /* ids by count in the encoded corpus, then by bytes */
    static const char *const first[] = {"newest", "low", "widest", "lower"};
    static const uint64_t counts[] = {6, 5, 3, 2};
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(same(v.tokens[4 + i].bytes, bytes(first[i])));
        assert_int_equal(v.tokens[4 + i].count, counts[i]);
    }
    assert_int_equal(v.tokens[8].bytes.n, 1);
    assert_int_equal(v.tokens[8].bytes.data[0], 0);
    assert_int_equal(v.tokens[8].count, 0);
    assert_true(same(v.tokens[271].bytes, (struct vocab_bytes){(const unsigned char *)"\xff", 1}));
    assert_int_equal(v.tokens[VOCAB_EOS].count, 7);
    assert_int_equal(v.tokens[VOCAB_UNK].count, 0);
    vocab_release(&v);
}

static void overlaps(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("aaaaa", 1)};
    struct vocab v = train(items, 1, 263);
    static const char *const expected[][2] = {{"a", "a"}, {"aa", "a"}, {"aa", "aaa"}};
    for (uint32_t i = 0; i < 3; i++)
        assert_true(same(v.merges[i].left, bytes(expected[i][0])) &&
                    same(v.merges[i].right, bytes(expected[i][1])));
    vocab_release(&v);
}

static void expect_error(const struct pretoken *items, size_t n, uint32_t size, const char *message)
{
    struct pretokens words = {items, n, 1};
    struct vocab v;
    struct err e = {.text = ""};
    assert_int_equal(bpetrain_run(&v, &words, size, VOCAB_NORM_NFC, &e), -1);
    if (!strstr(e.text, message))
        fail_msg("\"%s\" does not say \"%s\"", e.text, message);
    assert_null(v.tokens);
}

static void too_few_pieces(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("low", 5), word("lower", 2), word("newest", 6),
                                     word("widest", 3)};
    expect_error(items, 4, 273,
                 "the corpus has only 268 distinct pieces, too few for a vocabulary of 273");
    expect_error(items, 4, 259, "bad vocabulary size (found 259, expected 260 to 65536)");
    expect_error(items, 4, 65537, "bad vocabulary size (found 65537");
    expect_error(NULL, 0, 10000, "only 256 distinct pieces");
    struct vocab v = train(NULL, 0, 260); /* bytes alone need no corpus */
    assert_int_equal(v.n_merges, 0);
    vocab_release(&v);
}

/* A run too long to be a word teaches nothing, but is encoded and counted. */
static void long_runs(void **state)
{
    (void)state;
    static char run[2000];
    memset(run, '-', sizeof run - 1);
    const struct pretoken items[] = {word(run, 3), word("--", 1)};
    struct vocab v = train(items, 2, 261);
    assert_true(same(v.tokens[4].bytes, bytes("--")));
    assert_int_equal(v.tokens[4].count, 3 * 999 + 1);
    assert_int_equal(v.tokens[5].count, 3);
    vocab_release(&v);
    expect_error(items, 1, 261, "only 256 distinct pieces");
}

/* --- a slow trainer, straight from the definition in bpetrain.h --- */

enum { SLOW_WORDS = 40, SLOW_LENGTH = 24, SLOW_SYMBOLS = 400 };
struct slow {
    char symbols[SLOW_SYMBOLS][SLOW_LENGTH + 1];
    int n_symbols;
    int words[SLOW_WORDS][SLOW_LENGTH];
    int lengths[SLOW_WORDS];
    uint64_t counts[SLOW_WORDS];
    int n_words;
};
static struct slow slow;
static uint64_t slow_counts[SLOW_SYMBOLS][SLOW_SYMBOLS];

static bool slow_before(int a, int b, int c, int d)
{
    if (slow_counts[a][b] != slow_counts[c][d])
        return slow_counts[a][b] > slow_counts[c][d];
    int order = strcmp(slow.symbols[a], slow.symbols[c]);
    return order ? order < 0 : strcmp(slow.symbols[b], slow.symbols[d]) < 0;
}

/* One merge; false if there is none. */
static bool slow_merge(int *left, int *right)
{
    memset(slow_counts, 0, sizeof slow_counts);
    for (int w = 0; w < slow.n_words; w++)
        for (int i = 0; i + 1 < slow.lengths[w]; i++)
            slow_counts[slow.words[w][i]][slow.words[w][i + 1]] += slow.counts[w];
    bool found = false;
    for (int a = 0; a < slow.n_symbols; a++) {
        for (int b = 0; b < slow.n_symbols; b++) {
            if (!slow_counts[a][b])
                continue;
            if (found && !slow_before(a, b, *left, *right))
                continue;
            *left = a;
            *right = b;
            found = true;
        }
    }
    if (!found)
        return false;
    char made[sizeof slow.symbols[0]];
    size_t n_left = strlen(slow.symbols[*left]);
    memcpy(made, slow.symbols[*left], n_left);
    memcpy(made + n_left, slow.symbols[*right], strlen(slow.symbols[*right]) + 1);
    memcpy(slow.symbols[slow.n_symbols], made, sizeof made);
    for (int w = 0; w < slow.n_words; w++) {
        int *s = slow.words[w];
        int n = 0;
        for (int i = 0; i < slow.lengths[w]; n++) {
            bool joins = i + 1 < slow.lengths[w] && s[i] == *left && s[i + 1] == *right;
            s[n] = joins ? slow.n_symbols : s[i];
            i += joins ? 2 : 1;
        }
        slow.lengths[w] = n;
    }
    slow.n_symbols++;
    return true;
}

/* Random words over the first few letters; the symbols begin as these letters. */
static size_t slow_start(struct rng *r, int n_letters, struct pretoken *items,
                         char texts[SLOW_WORDS][SLOW_LENGTH + 1])
{
    slow.n_symbols = n_letters;
    for (int i = 0; i < n_letters; i++)
        snprintf(slow.symbols[i], sizeof slow.symbols[0], "%c", 'a' + i);
    slow.n_words = 1 + (int)rng_below(r, SLOW_WORDS);
    for (int w = 0; w < slow.n_words; w++) {
        slow.lengths[w] = 1 + (int)rng_below(r, SLOW_LENGTH);
        slow.counts[w] = 1 + rng_below(r, 5);
        for (int i = 0; i < slow.lengths[w]; i++) {
            slow.words[w][i] = (int)rng_below(r, (uint64_t)n_letters);
            texts[w][i] = (char)('a' + slow.words[w][i]);
        }
        texts[w][slow.lengths[w]] = '\0';
        items[w] = word(texts[w], slow.counts[w]);
    }
    return (size_t)slow.n_words;
}

static void like_the_definition(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 11, 0);
    for (int round = 0; round < 60; round++) {
        struct pretoken items[SLOW_WORDS];
        char texts[SLOW_WORDS][SLOW_LENGTH + 1];
        size_t n = slow_start(&r, 2 + round % 4, items, texts);
        int most = 1 + (int)rng_below(&r, 60);
        int merges[60][2];
        int n_merges = 0;
        while (n_merges < most && slow_merge(&merges[n_merges][0], &merges[n_merges][1]))
            n_merges++;
        if (n_merges < most) {
            char message[64];
            snprintf(message, sizeof message, "only %d distinct pieces", 256 + n_merges);
            expect_error(items, n, (uint32_t)(260 + most), message);
        }
        struct vocab v = train(items, n, (uint32_t)(260 + n_merges));
        for (int i = 0; i < n_merges; i++)
            assert_true(same(v.merges[i].left, bytes(slow.symbols[merges[i][0]])) &&
                        same(v.merges[i].right, bytes(slow.symbols[merges[i][1]])));
        vocab_release(&v);
    }
}

/* --- real text --- */

static void add_story(void *context, const char *text, size_t n)
{
    counted_add(context, text, n);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    struct words w = {0};
    size_t n_stories = counted_tinystories(add_story, &w);
    if (!n_stories)
        skip(); /* TINYSTORIES_DIR is not set */
    struct vocab a = train(w.items, w.n, 2048);
    struct rng r;
    rng_seed(&r, 5, 0);
    for (uint32_t i = w.n; i > 1; i--) {
        uint64_t k = rng_below(&r, i);
        struct pretoken t = w.items[i - 1];
        w.items[i - 1] = w.items[k];
        w.items[k] = t;
    }
    struct vocab b = train(w.items, w.n, 2048);
    assert_true(vocab_fingerprint(&a) == vocab_fingerprint(&b));
    for (uint32_t id = 0; id < a.n_tokens; id++)
        assert_true(a.tokens[id].count == b.tokens[id].count);
    for (uint32_t id = VOCAB_N_SPECIAL; id + 1 < a.n_tokens; id++)
        assert_true(a.tokens[id].count >= a.tokens[id + 1].count);
    vocab_release(&a);
    vocab_release(&b);
    words_release(&w);
}

/* The counts in the vocabulary are those of the stories as the tokenizer encodes them. */
struct recount {
    struct tokenizer *tokenizer;
    struct token_buf ids;
};

static void encode_story(void *context, const char *text, size_t n)
{
    struct recount *r = context;
    struct err e;
    assert_int_equal(tokenizer_encode(r->tokenizer, NULL, text, n, &r->ids, &e), 0);
}

static void counts_are_the_encoded(void **state)
{
    (void)state;
    struct words w = {0};
    if (!counted_tinystories(add_story, &w))
        skip(); /* TINYSTORIES_DIR is not set */
    struct vocab v = train(w.items, w.n, 3000);
    struct err e;
    struct recount r = {.tokenizer = tokenizer_new(&v, &e)};
    assert_non_null(r.tokenizer);
    counted_tinystories(encode_story, &r);
    uint64_t *counts = calloc(v.n_tokens, sizeof *counts);
    for (size_t i = 0; i < r.ids.n; i++)
        counts[r.ids.ids[i]]++;
    for (uint32_t id = VOCAB_N_SPECIAL; id < v.n_tokens; id++)
        assert_true(counts[id] == v.tokens[id].count);
    free(counts);
    free(r.ids.ids);
    tokenizer_free(r.tokenizer);
    vocab_release(&v);
    words_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(too_few_pieces),
        cmocka_unit_test(long_runs),
        cmocka_unit_test(like_the_definition),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(counts_are_the_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
