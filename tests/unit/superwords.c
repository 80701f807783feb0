/* Superwords: what is learned from sentences, by a slow trainer too; what encodes them, beside the
 * definition, for vocabularies that nobody would learn as well; and that prep's way over words and
 * temporary files comes to the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "format/blob_file.h"
#include "os/threads.h"
#include "prep/batch.h"
#include "prep/bpetrain.h"
#include "prep/expand.h"
#include "prep/superwords.h"
#include "prep/supertrain.h"
#include "prep/vocabbuild.h"
#include "support/scratch.h"
#include "support/slowtok.h"
#include "support/toyblob.h"
#include "text/ranktable.h"
#include "text/tokenizer.h"

static const struct vocab_form FORM = {VOCAB_NORM_NFC, VOCAB_LINES_LF};

/* ---- encoding -------------------------------------------------------------------------------- */

static const char *const PIECES[] = {"a",   "b",  "c",  " ",  "  ", " a",          "'", "'s",
                                     "'ll", ".",  "!",  ",",  "\n", "\xc3\xa9",    "1", "\"",
                                     "\t",  "ab", "'t", " b", "l",  "\xe2\x80\x99"};

static size_t random_text(struct rng *r, char *text, size_t most)
{
    size_t n = 0;
    bool marks = rng_below(r, 2);
    for (uint64_t i = rng_below(r, 3) ? 0 : 50; i; i--) /* two long words first */
        text[n++] = i == 6 ? ' ' : "abcl"[rng_below(r, 4)];
    most -= n;
    for (uint64_t i = rng_below(r, most / 4); i; i--) {
        const char *piece = PIECES[rng_below(r, ARRAY_LEN(PIECES))];
        if (!marks && strpbrk(piece, ".!\n"))
            continue; /* one long sentence */
        memcpy(text + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

/* Merges of anything with anything, in any order, some of which make the same bytes as others. */
static void random_vocab(struct rng *r, struct vocab *v, uint32_t n_merges)
{
    static unsigned char bytes[256], storage[1 << 16];
    struct vocab_bytes known[512] = {{0}};
    struct vocab_merge merges[200];
    static struct vocab_token tokens[512];
    const uint64_t none[VOCAB_N_SPECIAL] = {0};
    struct err e;
    uint32_t n_known = 0, n_tokens = 0;
    size_t used = 0;
    for (uint32_t b = 0; b < 256; b++) {
        bytes[b] = (unsigned char)b;
        tokens[n_tokens++].bytes = (struct vocab_bytes){bytes + b, 1};
    }
    for (const char *p = "abc '.,l\n\xc3\xa9st\xe2\x80"; *p; p++)
        known[n_known++] = (struct vocab_bytes){bytes + (unsigned char)*p, 1};
    for (uint32_t i = 0; i < n_merges;) {
        struct vocab_merge m = {known[rng_below(r, n_known)], known[rng_below(r, n_known)]};
        bool again = m.left.n + m.right.n > 12;
        for (uint32_t k = 0; k < i; k++)
            again = again || (!bytemap_compare(m.left, merges[k].left) &&
                              !bytemap_compare(m.right, merges[k].right));
        if (again)
            continue;
        merges[i++] = m;
        struct vocab_bytes made = {storage + used, m.left.n + m.right.n};
        memcpy(storage + used, m.left.data, m.left.n);
        memcpy(storage + used + m.left.n, m.right.data, m.right.n);
        used += made.n;
        bool old = false;
        for (uint32_t k = 0; k < n_tokens; k++)
            old = old || !bytemap_compare(made, tokens[k].bytes);
        if (!old)
            tokens[n_tokens++].bytes = known[n_known++] = made;
    }
    assert_int_equal(vocabbuild_make(v, none, tokens, n_tokens, merges, n_merges, &e), 0);
    v->kind = VOCAB_BPE;
    v->form = FORM;
    v->pretokens = VOCAB_SENTENCES;
}

static void expect_definition(const struct vocab *v, const struct tokenizer *t,
                              struct tokenizer_cache *cache, const char *text, size_t n)
{
    struct err e;
    uint16_t ids[SLOWTOK_MOST];
    struct token_buf out = {0};
    size_t n_ids = slowtok_sentences(v, text, n, ids);
    if (tokenizer_encode(t, cache, text, n, &out, &e))
        fail_msg("%s", e.text);
    if (out.n != n_ids || (n_ids && memcmp(out.ids, ids, n_ids * sizeof *ids) != 0))
        fail_msg("\"%.*s\": %zu tokens, other than the %zu of the definition", (int)n, text, out.n,
                 n_ids);
    free(out.ids);
}

static void test_any_merges(void **state)
{
    (void)state;
    struct rng r;
    struct err e;
    rng_seed(&r, 11, 0);
    for (int round = 0; round < 100; round++) {
        struct vocab v, whole;
        char text[400];
        uint32_t n_merges = 1 + (uint32_t)rng_below(&r, 120);
        struct rng same = r;
        random_vocab(&r, &v, n_merges);
        random_vocab(&same, &whole, n_merges);
        struct tokenizer *t = tokenizer_new_checked(&v, "random", &e);
        struct tokenizer_cache *caches[] = {NULL, tokenizer_cache_new_small(sizeof text, &e)};
        if (!t || !caches[1])
            fail_msg("%s", e.text);
        vocab_drop_merges(&v); /* as in a model: the tokenizer asks for them no more */
        for (int i = 0; i < 25; i++) {
            size_t n = random_text(&r, text, sizeof text);
            expect_definition(&whole, t, caches[i % 2], text, n);
        }
        tokenizer_cache_free(caches[1]);
        tokenizer_free(t);
        vocab_release(&v);
        vocab_release(&whole);
    }
}

static void test_ranktable(void **state)
{
    (void)state;
    enum { N = 5000, SIDE = 100 };
    struct merges_pair *pairs = calloc(N, sizeof *pairs);
    assert_non_null(pairs);
    for (uint32_t i = 0; i < N; i++)
        pairs[i] = (struct merges_pair){i % SIDE, (i / SIDE) << 14, 0};
    struct merges m = {.pairs = pairs};
    struct ranktable t;
    for (uint32_t n = 0; n <= N; n = n ? n * 3 - 1 : 1) {
        assert_true(ranktable_init(&t, &m, n));
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(ranktable_get(&t, pairs[i].left, pairs[i].right),
                             i < n ? i : MERGES_NONE);
        assert_int_equal(ranktable_get(&t, 1 << 20, 1 << 20), MERGES_NONE);
        ranktable_release(&t);
    }
    pairs[7] = pairs[8] = pairs[9]; /* three for two places */
    assert_false(ranktable_init(&t, &m, N));
    assert_null(t.slots);
    free(pairs);
}

/* ---- learning -------------------------------------------------------------------------------- */

enum { MOST_SYMBOLS = 600, MOST_CELLS = 60000 };

/* The most frequent pair, by going through all of the text; ties by bytes. False if there is none.
 */
static bool best_pair(const struct vocab_bytes *symbols, uint32_t n_symbols, const uint16_t *cells,
                      size_t n, uint32_t *left, uint32_t *right)
{
    static uint32_t counts[MOST_SYMBOLS][MOST_SYMBOLS];
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i + 1 < n; i++)
        if (cells[i] != SUPERTRAIN_BORDER && cells[i + 1] != SUPERTRAIN_BORDER)
            counts[cells[i]][cells[i + 1]]++;
    uint32_t best = 0;
    for (uint32_t a = 0; a < n_symbols; a++)
        for (uint32_t b = 0; b < n_symbols; b++) {
            uint32_t count = counts[a][b];
            if (count < best || !count || symbols[a].n + symbols[b].n > BPETRAIN_MAX_TOKEN)
                continue;
            int order = best ? bytemap_compare(symbols[a], symbols[*left]) : -1;
            order = best && !order ? bytemap_compare(symbols[b], symbols[*right]) : order;
            if (count == best && order > 0)
                continue;
            best = count;
            *left = a;
            *right = b;
        }
    return best > 0;
}

static size_t join_all(uint16_t *cells, size_t n, uint32_t left, uint32_t right, uint16_t made)
{
    size_t n_left = 0;
    for (size_t i = 0; i < n; n_left++) {
        bool joins = i + 1 < n && cells[i] == left && cells[i + 1] == right;
        cells[n_left] = joins ? made : cells[i];
        i += joins ? 2 : 1;
    }
    return n_left;
}

/* Learns from the cells, and checks each pair against the slow trainer. */
static void expect_slow_merges(const uint16_t *text, uint32_t n, uint32_t vocab_size)
{
    struct vocab base, v;
    struct err e;
    const struct pretokens none = {0};
    static uint16_t cells[MOST_CELLS], copy[MOST_CELLS];
    struct vocab_bytes symbols[MOST_SYMBOLS];
    memcpy(cells, text, n * sizeof *cells);
    memcpy(copy, text, n * sizeof *copy);
    assert_int_equal(bpetrain_run(&base, &none, BPETRAIN_MIN_SIZE, true, FORM, &e), 0);
    struct supertrain_text sentences = {copy, n};
    if (supertrain_run(&v, &base, &sentences, vocab_size, &e))
        fail_msg("%s", e.text);
    assert_int_equal(v.pretokens, VOCAB_SENTENCES);
    if (vocab_check(&v, "learned", &e))
        fail_msg("%s", e.text);
    for (uint32_t b = 0; b < 256; b++)
        symbols[b] = v.tokens[VOCAB_N_SPECIAL + b].bytes;
    size_t n_cells = n;
    uint32_t left, right;
    for (uint32_t i = 0; i < v.n_merges; i++) {
        assert_true(best_pair(symbols, 256 + i, cells, n_cells, &left, &right));
        if (bytemap_compare(symbols[left], v.merges[i].left) ||
            bytemap_compare(symbols[right], v.merges[i].right))
            fail_msg("merge %u is another", i);
        symbols[256 + i] = v.tokens[VOCAB_N_SPECIAL + 256 + i].bytes;
        n_cells = join_all(cells, n_cells, left, right, (uint16_t)(256 + i));
    }
    if (v.n_tokens < vocab_size)
        assert_false(best_pair(symbols, 256 + v.n_merges, cells, n_cells, &left, &right));
    vocab_release(&v);
    vocab_release(&base);
}

/* Pairs of very different counts, more of them than are looked at first. */
static void test_learning(void **state)
{
    (void)state;
    static uint16_t cells[MOST_CELLS];
    struct rng r;
    rng_seed(&r, 7, 0);
    static const struct {
        uint32_t letters, n_cells, vocab_size;
    } rounds[] = {{3, MOST_CELLS - 100, 340}, {3, 300, 480}, {60, 20000, 500}, {12, 20000, 560}};
    for (size_t round = 0; round < ARRAY_LEN(rounds); round++) {
        uint32_t n = 0, letters = rounds[round].letters;
        cells[n++] = SUPERTRAIN_BORDER;
        while (n < rounds[round].n_cells) {
            for (uint64_t i = rng_below(&r, 30); i; i--) {
                uint64_t k = rng_below(&r, letters);
                cells[n++] = (uint16_t)('a' + k * rng_below(&r, letters) / letters);
            }
            cells[n++] = SUPERTRAIN_BORDER;
        }
        expect_slow_merges(cells, n, rounds[round].vocab_size);
    }
}

/* Runs overlap, and end where a token would have more than 256 bytes. */
static void test_runs(void **state)
{
    (void)state;
    static uint16_t cells[2000];
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        cells[i] = i % 1999 ? 'a' : SUPERTRAIN_BORDER;
    expect_slow_merges(cells, ARRAY_LEN(cells), 300);
    expect_slow_merges(cells, 1, 300); /* no sentence at all */
}

/* ---- the way of prep ------------------------------------------------------------------------- */

static const char *const STORIES[] = {
    "Once upon a time, there was a little girl named Lily. She loved to play with her little dog.",
    "Once upon a time, there was a little boy. \"Let's play!\" said Lily.\n\nThe dog was happy.",
    ("'Tis 'the   end',  'dance'   'llama'.  \xc2\xab"
     "caf\xc3\xa9\xc2\xbb \xe2\x80\xa6 so it was"),
    "They\nThey\nThey played\nThey played all day\nThey played all night. Then there was a girl."};
enum { COPIES = 30, N_STORIES = COPIES * (int)ARRAY_LEN(STORIES) };

struct prepared {
    struct lexicon lexicon;
    struct spool spool;
    struct vocab vocab;
    struct encode_words tokens;
    struct pool *pool;
};

/* Stories as prep spools them. */
static void spool_stories(struct prepared *p)
{
    struct err e;
    struct batch *b = calloc(1, sizeof *b);
    struct batch_worker *w = calloc(1, sizeof *w);
    assert_true(b && w);
    batch_init(b);
    assert_int_equal(spool_init(&p->spool, scratch_dir(), &e), 0);
    lexicon_release(&p->lexicon);
    assert_int_equal(lexicon_init(&p->lexicon, 1 << 20, scratch_dir(), &e), 0);
    struct words *table = p->lexicon.words;
    for (size_t i = 0; i < N_STORIES; i++) {
        const char *story = STORIES[i % ARRAY_LEN(STORIES)];
        assert_int_equal(stories_add(&b->raw, story, strlen(story), &e), 0);
    }
    assert_int_equal(batch_process(b, w, FORM, VOCAB_SENTENCES, table, &e), 0);
    for (size_t i = 0; i < b->raw.n; i++) {
        struct batch_story *s = &b->stories[i];
        assert_int_equal(batch_resolve(s, table, &e), 0);
        for (size_t k = 0; k < s->n_words; k++)
            table->items[s->words[k]].count++;
        assert_int_equal(spool_add(&p->spool, i, s->n_bytes, s->words, s->n_words, &e), 0);
    }
    batch_worker_release(w);
    batch_release(b);
    free(w);
    free(b);
}

/* And a vocabulary of them. */
static void prepare(struct prepared *p, uint32_t vocab_size, uint32_t superwords, int n_threads)
{
    struct err e;
    *p = (struct prepared){.pool = threads_new(n_threads, &e)};
    assert_non_null(p->pool);
    spool_stories(p);
    const struct words *table = p->lexicon.words;
    struct pretokens words = {table->items, table->n, N_STORIES};
    assert_int_equal(bpetrain_run(&p->vocab, &words, vocab_size - superwords, true, FORM, &e), 0);
    if (superwords_learn(&p->vocab, vocab_size, &p->lexicon, &p->spool, &p->tokens, p->pool, &e))
        fail_msg("%s", e.text);
}

static void release(struct prepared *p)
{
    encode_words_release(&p->tokens);
    vocab_release(&p->vocab);
    spool_release(&p->spool);
    lexicon_release(&p->lexicon);
    threads_free(p->pool);
}

struct check {
    const struct vocab *v;
    const struct encode_words *words;
    uint64_t *counts;
    size_t n;
};

static int fill(const void *context, struct expansion *x, struct err *e)
{
    return encode_frame(((const struct check *)context)->words, x, e);
}

/* Every story is as the definition has it. */
static int take(void *context, const struct expansion *x, struct err *e)
{
    struct check *c = context;
    uint16_t ids[SLOWTOK_MOST];
    size_t at = 0;
    (void)e;
    for (size_t i = 0; i < x->n_stories; i++, c->n++) {
        const char *story = STORIES[c->n % ARRAY_LEN(STORIES)];
        const struct expanded_story *s = &x->stories[i];
        size_t n = 0;
        assert_int_equal(s->n_chars, c->n);
        assert_int_equal(s->n_bytes, strlen(story));
        for (size_t k = at; k < s->end; k++) {
            n += c->v->tokens[x->ids.ids[k]].bytes.n;
            c->counts[x->ids.ids[k]]++;
        }
        assert_int_equal(n, s->n_bytes);
        if (c->n % ARRAY_LEN(STORIES) != 2) { /* whose mark is not ASCII */
            n = slowtok_sentences(c->v, story, strlen(story), ids);
            assert_int_equal(n, s->end - at);
            assert_memory_equal(x->ids.ids + at, ids, n * sizeof *ids);
        }
        at = s->end;
    }
    return 0;
}

static void expect_stories(struct prepared *p, const struct encode_words *words)
{
    struct err e;
    uint64_t counts[MOST_SYMBOLS] = {[VOCAB_EOS] = N_STORIES};
    struct check c = {&p->vocab, words, counts, 0};
    if (spool_rewind(&p->spool, &e) || expand_spool(&p->spool, p->pool, fill, take, &c, &e))
        fail_msg("%s", e.text);
    assert_int_equal(c.n, N_STORIES);
    for (uint32_t id = 0; id < p->vocab.n_tokens; id++)
        assert_int_equal(p->vocab.tokens[id].count, counts[id]);
}

/* With 20 tokens to learn the sentences are a sample of those there are, with 100 all of them. */
static void test_the_way_of_prep(void **state)
{
    (void)state;
    uint64_t fingerprint = 0;
    for (int i = 0; i < 6; i++) {
        struct prepared p;
        struct err e;
        uint32_t superwords = i < 3 ? 2 : 100;
        prepare(&p, 300 + superwords, superwords, 1 + i % 3);
        assert_int_equal(p.vocab.n_tokens, 300 + superwords);
        if (vocab_check(&p.vocab, "learned", &e))
            fail_msg("%s", e.text);
        for (uint32_t id = VOCAB_N_SPECIAL + 1; id < p.vocab.n_tokens; id++)
            assert_true(p.vocab.tokens[id - 1].count >= p.vocab.tokens[id].count);
        if (i % 3)
            assert_true(vocab_fingerprint(&p.vocab) == fingerprint);
        fingerprint = vocab_fingerprint(&p.vocab);
        expect_stories(&p, &p.tokens);
        release(&p);
    }
}

/* The same without a detour: words of a spool, by a vocabulary that is there. */
static void test_existing_vocabulary(void **state)
{
    (void)state;
    struct prepared p;
    struct encode_words words;
    struct err e;
    prepare(&p, 400, 100, 2);
    spool_release(&p.spool);
    spool_stories(&p);
    assert_int_equal(encode_words(&words, &p.vocab, &p.lexicon, p.pool, &e), 0);
    expect_stories(&p, &words);
    encode_words_release(&words);
    release(&p);
}

/* A model with such a vocabulary is of version 4, and encodes as its vocabulary does. */
static void test_in_a_model(void **state)
{
    (void)state;
    static const float floats[MOST_SYMBOLS];
    static const unsigned char codes[2] = {0x55, 0x55};
    static const char text[] = "Once upon a time, there was a 'llama'. Then, a little girl";
    struct prepared p;
    struct err e;
    struct blob b;
    struct blob_tensor tensors[10];
    prepare(&p, 400, 100, 1);
    const struct dims d = {
        .V = (int)p.vocab.n_tokens, .D = 1, .H = 1, .K = 1, .L = 1, .T = 1, .dilation = {1}};
    assert_int_equal(dims_n_tensors(&d), ARRAY_LEN(tensors));
    for (size_t i = 0; i < ARRAY_LEN(tensors); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        tensors[i] =
            (struct blob_tensor){.data = t.form == TENSOR_TERNARY ? (const void *)codes : floats};
    }
    if (blob_write(scratch_path("m.bolt"), &d, NUMBER_F32, &p.vocab, tensors, NULL, NULL, &e) ||
        toyblob_open(&b, scratch_path("m.bolt"), &e))
        fail_msg("%s", e.text);
    assert_int_equal(b.version, 4);
    assert_int_equal(b.vocab.pretokens, VOCAB_SENTENCES);
    assert_true(b.vocab_fingerprint == vocab_fingerprint(&p.vocab));
    expect_definition(&p.vocab, b.tokenizer, NULL, text, strlen(text));
    toyblob_close(&b);
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_merges),      cmocka_unit_test(test_ranktable),
        cmocka_unit_test(test_learning),        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_the_way_of_prep), cmocka_unit_test(test_existing_vocabulary),
        cmocka_unit_test(test_in_a_model),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
