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
    if (bpetrain_run(&v, &words, size, false, (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                     &e))
        fail_msg("%s", e.text);
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    assert_int_equal(v.n_tokens, size);
    return v;
}

/* As many tokens as there are, up to `size`. */
static struct vocab train_some(const struct pretoken *items, size_t n, uint32_t size)
{
    struct pretokens words = {items, n, 7};
    struct vocab v;
    struct err e;
    if (bpetrain_run(&v, &words, size, true, (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                     &e))
        fail_msg("%s", e.text);
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    return v;
}

/* Sennrich, Haddow and Birch's example: (e, s) and (s, t) both stand there 9 times, so (e, s) is
 * first; later (l, o) goes before (o, w), and so on. */
static const char *const SENNRICH[][2] = {
    {"e", "s"},     {"es", "t"},  {"l", "o"},    {"lo", "w"},    {"e", "w"}, {"ew", "est"},
    {"n", "ewest"}, {"d", "est"}, {"i", "dest"}, {"w", "idest"}, {"e", "r"}, {"low", "er"},
};

static void test_by_hand(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("low", 5), word("lower", 2), word("newest", 6),
                                     word("widest", 3)};
    struct vocab v = train(items, 4, 272);
    assert_int_equal(v.kind, VOCAB_BPE);
    assert_int_equal(v.form.normalize, VOCAB_NORM_NFC);
    assert_int_equal(v.form.lines, VOCAB_LINES_LF);
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

static void test_overlaps(void **state)
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
    assert_int_equal(bpetrain_run(&v, &words, size, false,
                                  (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF}, &e),
                     -1);
    if (!strstr(e.text, message))
        fail_msg("\"%s\" does not say \"%s\"", e.text, message);
    assert_null(v.tokens);
}

static void test_too_few_pieces(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("low", 5), word("lower", 2), word("newest", 6),
                                     word("widest", 3)};
    expect_error(
        items, 4, 273,
        "too few distinct pieces for a vocabulary of 273 tokens: the largest that works is 272");
    expect_error(items, 4, 259, "bad vocabulary size (found 259, expected 260 to 65536)");
    expect_error(items, 4, 65537, "bad vocabulary size (found 65537");
    expect_error(NULL, 0, 10000, "the largest that works is 260");
    struct vocab v = train(NULL, 0, 260); /* bytes alone need no corpus */
    assert_int_equal(v.n_merges, 0);
    vocab_release(&v);
}

/* A long pre-token teaches like any other, up to the longest token there is. */
static void test_long_runs(void **state)
{
    (void)state;
    static char run[2000];
    memset(run, '-', sizeof run - 1);
    const struct pretoken items[] = {word(run, 3), word("--", 1)};
    struct vocab v = train(items, 2, 268);
    static const uint32_t lengths[] = {2, 4, 8, 16, 32, 64, 128, 256};
    for (uint32_t i = 0; i < v.n_merges; i++)
        assert_int_equal(v.merges[i].left.n + v.merges[i].right.n, lengths[i]);
    assert_int_equal(v.tokens[4].bytes.n, 256); /* 1999 = 7 * 256 + 128 + 64 + 8 + 4 + 2 + 1 */
    assert_int_equal(v.tokens[4].count, 3 * 7);
    assert_int_equal(v.tokens[5].bytes.n, 2);
    assert_int_equal(v.tokens[5].count, 3 + 1);
    vocab_release(&v);
    /* 256 bytes and any more would be too long; what else is there is made to the last */
    v = train_some(items, 1, 65536);
    for (uint32_t i = VOCAB_N_SPECIAL; i < v.n_tokens; i++)
        assert_in_range(v.tokens[i].bytes.n, 1, BPETRAIN_MAX_TOKEN);
    assert_in_range(v.n_tokens, 268, 280);
    vocab_release(&v);
}

/* A million bytes without a border, as of DNA: a trainer that goes through whole pre-tokens again
 * for every merge would not end. */
static void test_one_long_pretoken(void **state)
{
    (void)state;
    enum { N = 1000000 };
    char *text = malloc(N + 1);
    struct rng r;
    rng_seed(&r, 8, 0);
    for (size_t i = 0; i < N; i++)
        text[i] = "ACGT"[rng_below(&r, 4)];
    text[N] = '\0';
    const struct pretoken items[] = {word(text, 1)};
    struct vocab v = train(items, 1, 5000);
    uint64_t n_bytes = 0;
    for (uint32_t i = VOCAB_N_SPECIAL; i < v.n_tokens; i++)
        n_bytes += v.tokens[i].count * v.tokens[i].bytes.n;
    assert_int_equal(n_bytes, N);
    assert_int_equal(v.n_merges, 5000 - 260);
    vocab_release(&v);
    free(text);
}

static void test_fewer_where_they_are_wanted(void **state)
{
    (void)state;
    const struct pretoken items[] = {word("low", 5), word("lower", 2), word("newest", 6),
                                     word("widest", 3)};
    struct vocab all = train(items, 4, 272);
    struct vocab v = train_some(items, 4, 10000);
    assert_true(vocab_fingerprint(&v) == vocab_fingerprint(&all));
    vocab_release(&v);
    v = train_some(items, 4, 270); /* no fewer than asked for where there are enough */
    assert_int_equal(v.n_tokens, 270);
    vocab_release(&v);
    vocab_release(&all);
}

/* ---- a slow trainer, straight from the definition in bpetrain.h ------------------------------ */

enum { SLOW_WORDS = 40, SLOW_LENGTH = 1500, SLOW_SYMBOLS = 400, SLOW_MERGES = 120 };
struct slow {
    char symbols[SLOW_SYMBOLS][BPETRAIN_MAX_TOKEN + 1];
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
            if (!slow_counts[a][b] ||
                strlen(slow.symbols[a]) + strlen(slow.symbols[b]) > BPETRAIN_MAX_TOKEN)
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

/* Random words over the first few letters, up to `longest` long; the symbols begin as these
 * letters. Those of odd `kind` repeat a stretch of 1 to 9 letters with few mistakes, and so come to
 * tokens of the greatest length. */
static size_t slow_start(struct rng *r, int n_letters, size_t longest, int kind,
                         struct pretoken *items, char texts[SLOW_WORDS][SLOW_LENGTH + 1])
{
    slow.n_symbols = n_letters;
    for (int i = 0; i < n_letters; i++)
        snprintf(slow.symbols[i], sizeof slow.symbols[0], "%c", 'a' + i);
    slow.n_words = 1 + (int)rng_below(r, longest > 100 ? 5 : SLOW_WORDS);
    for (int w = 0; w < slow.n_words; w++) {
        int period = 1 + (int)rng_below(r, 9);
        slow.lengths[w] = 1 + (int)rng_below(r, longest);
        slow.counts[w] = 1 + rng_below(r, 5);
        for (int i = 0; i < slow.lengths[w]; i++) {
            bool repeat = kind % 2 && i >= period && rng_below(r, 200);
            slow.words[w][i] =
                repeat ? slow.words[w][i - period] : (int)rng_below(r, (uint64_t)n_letters);
            texts[w][i] = (char)('a' + slow.words[w][i]);
        }
        texts[w][slow.lengths[w]] = '\0';
        items[w] = word(texts[w], slow.counts[w]);
    }
    return (size_t)slow.n_words;
}

static void compare_with_slow(struct rng *r, int n_letters, size_t longest, int kind)
{
    static char texts[SLOW_WORDS][SLOW_LENGTH + 1];
    struct pretoken items[SLOW_WORDS];
    size_t n = slow_start(r, n_letters, longest, kind, items, texts);
    int most = 1 + (int)rng_below(r, SLOW_MERGES);
    int merges[SLOW_MERGES][2];
    int n_merges = 0;
    while (n_merges < most && slow_merge(&merges[n_merges][0], &merges[n_merges][1]))
        n_merges++;
    if (n_merges < most) {
        char message[64];
        snprintf(message, sizeof message, "the largest that works is %d", 260 + n_merges);
        expect_error(items, n, (uint32_t)(260 + most), message);
    }
    struct vocab v = train(items, n, (uint32_t)(260 + n_merges));
    for (int i = 0; i < n_merges; i++)
        assert_true(same(v.merges[i].left, bytes(slow.symbols[merges[i][0]])) &&
                    same(v.merges[i].right, bytes(slow.symbols[merges[i][1]])));
    vocab_release(&v);
}

static void test_like_the_definition(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 11, 0);
    for (int round = 0; round < 60; round++)
        compare_with_slow(&r, 2 + round % 4, 24, round / 4);
    for (int round = 0; round < 16; round++)
        compare_with_slow(&r, 1 + round % 4, SLOW_LENGTH, round / 4);
}

/* ---- real text ------------------------------------------------------------------------------- */

static void add_story(void *context, const char *text, size_t n)
{
    counted_add(context, text, n);
}

static void test_order_does_not_matter(void **state)
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

static void test_counts_are_the_encoded(void **state)
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
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_too_few_pieces),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_one_long_pretoken),
        cmocka_unit_test(test_fewer_where_they_are_wanted),
        cmocka_unit_test(test_like_the_definition),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_counts_are_the_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
