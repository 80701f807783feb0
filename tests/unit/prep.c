/* The parts of prep: the word table, the set of stories, the spool, batches, and the encoding of
 * words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "prep/batch.h"
#include "prep/bpetrain.h"
#include "prep/encode.h"
#include "prep/lexicon.h"
#include "prep/spool.h"
#include "prep/storyset.h"
#include "text/tokenizer.h"
#include "os/threads.h"

static void test_words(void **state)
{
    (void)state;
    enum { N = 60000 };
    struct words w = {0};
    struct err e;
    char text[16];
    uint32_t number;
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < N; i++) {
            size_t n = (size_t)snprintf(text, sizeof text, "w%u", i);
            uint64_t hash = hash64(text, n);
            assert_int_equal(words_find(&w, text, n, hash), round ? i : WORDS_NONE);
            assert_int_equal(words_add(&w, text, n, hash, &number, &e), 0);
            assert_int_equal(number, i);
        }
    assert_int_equal(w.n, N);
    for (uint32_t i = 0; i < N; i++) {
        size_t n = (size_t)snprintf(text, sizeof text, "w%u", i);
        assert_int_equal(w.items[i].n, n);
        assert_memory_equal(w.items[i].bytes, text, n);
        assert_int_equal(w.items[i].count, 0);
    }
    /* equal hashes, different words; and one longer than any block */
    assert_int_equal(words_add(&w, "left", 4, 7, &number, &e), 0);
    assert_int_equal(words_find(&w, "rite", 4, 7), WORDS_NONE);
    assert_int_equal(words_add(&w, "rite", 4, 7, &number, &e), 0);
    assert_int_equal(number, N + 1);
    char *big = calloc(1, 3 << 20);
    assert_non_null(big);
    assert_int_equal(words_add(&w, big, 3 << 20, 8, &number, &e), 0);
    assert_int_equal(words_find(&w, big, 3 << 20, 8), N + 2);
    free(big);
    words_release(&w);
}

enum { ADDED = 200000 };

static size_t nth_word(char text[16], uint32_t i)
{
    return (size_t)snprintf(text, 16, "w%u", i);
}

/* Task 0 adds words, the others look them up until the last is there. */
static void add_or_find(void *context, size_t task, size_t worker)
{
    struct words *w = context;
    struct err e;
    char text[16];
    uint32_t number = WORDS_NONE;
    (void)worker;
    for (uint32_t i = 0; i < ADDED && task == 0; i++) {
        size_t n = nth_word(text, i);
        assert_int_equal(words_add(w, text, n, hash64(text, n), &number, &e), 0);
    }
    for (uint32_t i = 0; task > 0 && number != ADDED - 1;) {
        size_t n = nth_word(text, i);
        number = words_find(w, text, n, hash64(text, n));
        assert_true(number == WORDS_NONE || number == i);
        i = number == WORDS_NONE ? 0 : MIN(i + 1 + (uint32_t)task * 7, (uint32_t)ADDED - 1);
    }
}

static void test_words_are_found_while_others_are_added(void **state)
{
    (void)state;
    struct err e;
    struct words w;
    struct pool *pool = threads_new(3, &e);
    assert_non_null(pool);
    assert_int_equal(words_init(&w, &e), 0);
    pool_run(pool, add_or_find, &w, 3);
    assert_int_equal(w.n, ADDED);
    words_release(&w);
    threads_free(pool);
}

static void test_storyset(void **state)
{
    (void)state;
    struct storyset s = {0};
    struct err e;
    bool is_new;
    assert_false(storyset_has(&s, (struct hash128){1, 2}));
    for (int round = 0; round < 2; round++)
        for (uint64_t i = 1; i < 20000; i++) {
            struct hash128 h = {.low = i % 100, .high = 1 + i / 100}; /* the worst of hashes */
            assert_int_equal(storyset_add(&s, h, &is_new, &e), 0);
            assert_int_equal(is_new, round == 0);
            assert_true(storyset_has(&s, h));
        }
    assert_int_equal(s.n, 19999);
    assert_false(storyset_has(&s, (struct hash128){100, 1}));
    storyset_release(&s);
    const struct hash128 zero = {0, 0}; /* marks a free slot, and is a hash like any other */
    assert_int_equal(storyset_add(&s, zero, &is_new, &e), 0);
    assert_true(is_new && storyset_has(&s, zero));
    storyset_release(&s);
}

/* Hashes as those of texts are: all are found, and take eleven bytes each at most. */
static void test_storyset_is_small(void **state)
{
    (void)state;
    enum { STORIES = 300000 };
    struct storyset s = {0};
    struct err e;
    bool is_new;
    for (uint64_t i = 0; i < STORIES; i++) {
        assert_int_equal(storyset_add(&s, hash128(&i, sizeof i), &is_new, &e), 0);
        assert_true(is_new);
    }
    for (uint64_t i = 0; i < 2 * STORIES; i++)
        assert_int_equal(storyset_has(&s, hash128(&i, sizeof i)), i < STORIES);
    assert_int_equal(s.n, STORIES);
    assert_in_range(STORYSET_TABLES * s.n_slots * sizeof *s.slots, 8 * STORIES, 11 * STORIES);
    storyset_release(&s);
}

static void test_spool(void **state)
{
    (void)state;
    enum { STORIES = 3000, MOST = 700 };
    struct spool s;
    struct spool_frame f = {0};
    struct err e;
    static uint32_t words[MOST];
    struct rng a, b;
    rng_seed(&a, 5, 0);
    b = a;
    if (spool_init(&s, "/tmp", &e))
        fail_msg("%s", e.text);
    for (uint64_t i = 0; i < STORIES; i++) {
        size_t n = rng_below(&a, MOST);
        for (size_t k = 0; k < n; k++)
            words[k] = (uint32_t)rng_u64(&a) >> k % 32;
        assert_int_equal(spool_add(&s, i, UINT64_MAX - i, words, n, &e), 0);
    }
    assert_int_equal(spool_rewind(&s, &e), 0);
    uint64_t i = 0, n_frames = 0;
    for (;; n_frames++) {
        assert_int_equal(spool_read(&s, &f, &e), 0);
        if (!f.n)
            break;
        const unsigned char *p = f.data;
        for (; p < f.data + f.n; i++) {
            assert_int_equal(spool_get(&p), i);
            assert_int_equal(spool_get(&p), UINT64_MAX - i);
            size_t n = spool_get(&p);
            assert_int_equal(n, rng_below(&b, MOST));
            for (size_t k = 0; k < n; k++) {
                uint32_t word = (uint32_t)rng_u64(&b) >> k % 32;
                assert_int_equal(spool_get(&p), word);
            }
        }
        assert_ptr_equal(p, f.data + f.n);
    }
    assert_int_equal(i, STORIES);
    assert_true(n_frames > 10);
    free(f.data);
    spool_release(&s);
    assert_int_equal(spool_init(&s, "/nonexistent", &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent"));
    spool_release(&s);
}

static const char *const samples[] = {
    "Once upon a time, there was a girl's cat.",
    "  They'll   say \"no!\"\n\nDon't. ",
    "12 apples and 3rd \xe2\x80\x9cquotes\xe2\x80\x9d \xf0\x9f\x98\x80 caf\xc3\xa9",
    "",
    " \t\n ",
    "''s 'sally x'  \xc2\xa0 y\r\n z"};
enum { N_SAMPLES = sizeof samples / sizeof samples[0], COPIES = 40 };

/* All stories of a batch, each twice or more, resolved. */
static void process_samples(struct batch *b, struct words *table)
{
    struct err e;
    struct batch_worker *w = calloc(1, sizeof *w);
    assert_non_null(w);
    batch_init(b);
    for (int round = 0; round < 2; round++) { /* the second finds all words in the table */
        stories_clear(&b->raw);
        for (size_t i = 0; i < (size_t)N_SAMPLES * COPIES; i++)
            assert_int_equal(
                stories_add(&b->raw, samples[i % N_SAMPLES], strlen(samples[i % N_SAMPLES]), &e),
                0);
        assert_int_equal(batch_process(b, w, (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                       VOCAB_WORDS, table, &e),
                         0);
        assert_int_equal(b->n_unknown == 0, round == 1);
        for (size_t i = 0; i < b->raw.n; i++)
            assert_int_equal(batch_resolve(&b->stories[i], table, &e), 0);
    }
    batch_worker_release(w);
    free(w);
}

static void test_batch(void **state)
{
    (void)state;
    struct words table = {0};
    struct batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    process_samples(b, &table);
    for (size_t i = 0; i < b->raw.n; i++) {
        const struct batch_story *x = &b->stories[i], *y = &b->stories[i % N_SAMPLES];
        size_t n_bytes = 0;
        for (size_t k = 0; k < x->n_words; k++)
            n_bytes += table.items[x->words[k]].n;
        assert_int_equal(n_bytes, x->n_bytes);
        assert_int_equal(x->n_bytes == 0, i % N_SAMPLES == 3 || i % N_SAMPLES == 4);
        assert_int_equal(x->n_words, y->n_words);
        assert_int_equal(x->hash.low, y->hash.low);
        if (x->n_words)
            assert_memory_equal(x->words, y->words, x->n_words * sizeof *x->words);
    }
    batch_release(b);
    words_release(&table);
    free(b);
}

/* A table may stand where an earlier one stood: what a thread remembers of that is void. */
static void test_a_batch_of_another_segment(void **state)
{
    (void)state;
    const struct vocab_form form = {VOCAB_NORM_NFC, VOCAB_LINES_LF};
    struct err e;
    struct words table = {0};
    uint32_t number;
    struct batch *b = calloc(1, sizeof *b);
    struct batch_worker *w = calloc(1, sizeof *w);
    assert_true(b && w);
    batch_init(b);
    assert_int_equal(stories_add(&b->raw, "cat", 3, &e), 0);
    assert_int_equal(words_add(&table, "cat", 3, hash64("cat", 3), &number, &e), 0);
    assert_int_equal(batch_process(b, w, form, VOCAB_WORDS, &table, &e), 0);
    assert_int_equal(b->stories[0].words[0], 0);
    words_release(&table);
    table.segment = 1;
    assert_int_equal(words_add(&table, "dog", 3, hash64("dog", 3), &number, &e), 0);
    assert_int_equal(batch_process(b, w, form, VOCAB_WORDS, &table, &e), 0);
    assert_int_equal(b->stories[0].words[0], WORDS_NONE);
    assert_int_equal(b->segment, 1);
    batch_worker_release(w);
    batch_release(b);
    words_release(&table);
    free(w);
    free(b);
}

/* Words encoded one by one are the story encoded as a whole. */
static void test_words_are_enough(void **state)
{
    (void)state;
    struct err e;
    struct lexicon lexicon;
    struct batch *b = calloc(1, sizeof *b);
    struct pool *pool = threads_new(2, &e);
    assert_true(b && pool);
    assert_int_equal(lexicon_init(&lexicon, 1000, "/tmp", &e), 0);
    struct words *table = lexicon.words;
    process_samples(b, table);
    struct vocab v;
    for (uint32_t i = 0; i < table->n; i++)
        table->items[i].count = 1 + i % 3;
    const struct pretokens words = {.items = table->items, .n = table->n, .n_stories = 9};
    if (bpetrain_run(&v, &words, 300, false, (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                     &e))
        fail_msg("%s", e.text);
    struct encode_words encoded;
    assert_int_equal(encode_words(&encoded, &v, &lexicon, pool, &e), 0);
    struct tokenizer *t = tokenizer_new(&v, &e);
    struct tokenizer_cache *cache = tokenizer_cache_new(&e);
    assert_true(t && cache);
    struct text_buf text = {0};
    struct token_buf whole = {0};
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct normalize_stats stats = {0};
        size_t n_chars, at = 0;
        whole.n = 0;
        assert_int_equal(normalize_text((struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                        samples[i], strlen(samples[i]), &text, &n_chars, &stats,
                                        &e),
                         0);
        assert_int_equal(tokenizer_encode(t, cache, text.data, text.n, &whole, &e), 0);
        for (size_t k = 0; k < b->stories[i].n_words; k++) {
            uint32_t word = b->stories[i].words[k];
            for (uint64_t id = encoded.starts[word]; id < encoded.starts[word + 1]; id++, at++) {
                assert_true(at < whole.n);
                assert_int_equal(encoded.ids[id], whole.ids[at]);
            }
        }
        assert_int_equal(at, whole.n);
    }
    free(text.data);
    free(whole.ids);
    tokenizer_cache_free(cache);
    tokenizer_free(t);
    encode_words_release(&encoded);
    vocab_release(&v);
    batch_release(b);
    free(b);
    lexicon_release(&lexicon);
    threads_free(pool);
}

/* Words of a segment that has ended are there as they were, and the frequent ones stay. */
static void test_lexicon(void **state)
{
    (void)state;
    enum { MOST = 1000, SEGMENTS = 3, FREQUENT = 300 };
    struct lexicon l;
    struct err e;
    char text[16];
    uint32_t number;
    uint64_t total = 0, found = 0;
    assert_int_equal(lexicon_init(&l, MOST, "/tmp", &e), 0);
    for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
        for (uint32_t i = 0; !lexicon_is_full(&l); i++) {
            uint32_t name = i < FREQUENT ? i : 1000 * segment + i; /* the rest are new ones */
            size_t n = nth_word(text, name);
            assert_int_equal(words_add(l.words, text, n, hash64(text, n), &number, &e), 0);
            uint64_t count = i < FREQUENT ? 2 + i : 1;
            l.words->items[number].count += count;
            total += count;
        }
        assert_int_equal(l.words->n, MOST);
        assert_int_equal(lexicon_segments(&l), segment + 1);
        if (lexicon_prune(&l, &e))
            fail_msg("%s", e.text);
        assert_int_equal(l.words->n, FREQUENT);
        for (uint32_t i = 0; i < FREQUENT; i++) {
            size_t n = nth_word(text, i);
            assert_int_equal(words_find(l.words, text, n, hash64(text, n)), i);
            assert_int_equal(l.words->items[i].count, (segment + 1) * (2 + i));
        }
    }
    for (uint32_t i = 0; i < l.words->n; i++)
        found += l.words->items[i].count;
    for (uint32_t segment = SEGMENTS; segment-- > 0;) {
        struct words w;
        assert_int_equal(lexicon_read(&l, segment, &w, &e), 0);
        assert_int_equal(w.n, MOST);
        for (uint32_t i = 0; i < w.n; i++) {
            size_t n = nth_word(text, i < FREQUENT ? i : 1000 * segment + i);
            assert_int_equal(w.items[i].n, n);
            assert_memory_equal(w.items[i].bytes, text, n);
            found += w.items[i].count;
        }
        words_release(&w);
    }
    assert_int_equal(found, total);
    lexicon_forget(&l);
    lexicon_release(&l);
}

/* A few long words fill it too; those that stay are no more than half. */
static void test_lexicon_of_long_words(void **state)
{
    (void)state;
    struct lexicon l;
    struct err e;
    static char text[8000];
    uint32_t number;
    assert_int_equal(lexicon_init(&l, 1000, "/tmp", &e), 0);
    for (uint32_t i = 0; i < 8; i++) {
        assert_false(lexicon_is_full(&l));
        text[0] = (char)i;
        assert_int_equal(words_add(l.words, text, 8000, hash64(text, 8000), &number, &e), 0);
        l.words->items[number].count = 1 + i;
    }
    assert_true(lexicon_is_full(&l)); /* 64,000 bytes */
    assert_int_equal(lexicon_prune(&l, &e), 0);
    assert_int_equal(l.words->n, 3);
    assert_int_equal(l.words->items[0].count, 6);
    lexicon_release(&l);
}

/* After a cut numbers are read on, and it is no frame. */
static void test_cuts_of_a_spool(void **state)
{
    (void)state;
    struct spool s;
    struct spool_frame f = {0};
    struct err e;
    static const size_t stories[] = {0, 2, 0, 1, 0}; /* between the cuts */
    assert_int_equal(spool_init(&s, "/tmp", &e), 0);
    for (uint32_t i = 0; i < ARRAY_LEN(stories); i++) {
        for (size_t k = 0; k < stories[i]; k++)
            assert_int_equal(spool_add(&s, i, k, &i, 1, &e), 0);
        if (i + 1 < ARRAY_LEN(stories))
            assert_int_equal(spool_cut(&s, &e), 0);
    }
    for (int round = 0; round < 2; round++) {
        assert_int_equal(spool_rewind(&s, &e), 0);
        for (uint32_t i = 0; i < ARRAY_LEN(stories); i++) {
            for (bool more = stories[i] > 0; more; more = false) {
                assert_int_equal(spool_read(&s, &f, &e), 0);
                const unsigned char *at = f.data;
                assert_int_equal(f.n, 8 * stories[i]);
                assert_int_equal(spool_get(&at), i);
                assert_int_equal(spool_get(&at), 0);
                assert_int_equal(spool_get(&at), 1);
                assert_int_equal(spool_get(&at), i);
            }
            assert_int_equal(spool_read(&s, &f, &e), 0);
            assert_int_equal(f.n, 0);
        }
        assert_int_equal(s.n_read, 2);
    }
    free(f.data);
    spool_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_are_found_while_others_are_added),
        cmocka_unit_test(test_storyset),
        cmocka_unit_test(test_storyset_is_small),
        cmocka_unit_test(test_spool),
        cmocka_unit_test(test_cuts_of_a_spool),
        cmocka_unit_test(test_lexicon),
        cmocka_unit_test(test_lexicon_of_long_words),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_a_batch_of_another_segment),
        cmocka_unit_test(test_words_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
