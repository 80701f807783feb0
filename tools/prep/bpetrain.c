#include "prep/bpetrain.h"

#include <stdlib.h>

#include "prep/pairqueue.h"
#include "prep/vocabbuild.h"

/* A pre-token under way. Every symbol in it is a stretch of its bytes, so a symbol's bytes are
 * those of any place where it stands, and need no memory of their own. */
struct word {
    const unsigned char *bytes;
    uint16_t *symbols; /* [n], at first one a byte */
    uint32_t n;
    uint64_t count;
};

_Static_assert((int)BPETRAIN_MAX_PRETOKEN <= (int)VOCAB_MAX_TOKEN_BYTES,
               "a piece of a pre-token must not be too long for a token");

struct trainer {
    unsigned char bytes[256];
    struct vocab_bytes *symbols; /* 256 bytes, then the merges' results */
    struct vocab_merge *merges;
    uint32_t n_symbols;
    uint32_t max_symbols;
    struct word *words;
    uint32_t n_words;
    uint16_t *sequence; /* symbols of all words */
    struct pairqueue queue;
};

static void release(struct trainer *t)
{
    free(t->symbols);
    free(t->merges);
    free(t->words);
    free(t->sequence);
    pairqueue_release(&t->queue);
}

static bool teaches(const struct pretoken *p)
{
    return p->n >= 2 && p->n <= BPETRAIN_MAX_PRETOKEN && p->count > 0;
}

static int allocate(struct trainer *t, const struct pretokens *words)
{
    size_t n_words = 0;
    size_t n_bytes = 0;
    for (size_t i = 0; i < words->n; i++) {
        n_words += teaches(&words->items[i]);
        n_bytes += teaches(&words->items[i]) ? words->items[i].n : 0;
    }
    if (n_words >= UINT32_MAX)
        return -1;
    t->symbols = calloc(t->max_symbols, sizeof *t->symbols);
    t->merges = calloc(t->max_symbols, sizeof *t->merges);
    t->words = calloc(n_words + 1, sizeof *t->words);
    t->sequence = calloc(n_bytes + 1, sizeof *t->sequence);
    return t->symbols && t->merges && t->words && t->sequence && !pairqueue_init(&t->queue) ? 0
                                                                                            : -1;
}

/* Adds the word's count to every pair of neighbours in it, and its number to those pairs that hold
 * the newest symbol (all pairs, when `all`): the others know it already. */
static int add_pairs(struct trainer *t, uint32_t word, bool all)
{
    const struct word *w = &t->words[word];
    const uint16_t newest = (uint16_t)(t->n_symbols - 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i + 1 < w->n; i++) {
        uint16_t left = w->symbols[i];
        uint16_t right = w->symbols[i + 1];
        uint32_t left_n = t->symbols[left].n;
        struct vocab_bytes joined = {w->bytes + at, left_n + t->symbols[right].n};
        struct pair *p = pairqueue_get(&t->queue, left, right, joined, left_n);
        if (!p)
            return -1;
        p->count += w->count;
        if ((all || left == newest || right == newest) && pairqueue_add_word(p, word))
            return -1;
        at += left_n;
    }
    return 0;
}

static void subtract_pairs(struct trainer *t, const struct word *w)
{
    for (uint32_t i = 0; i + 1 < w->n; i++) {
        uint32_t p = pairmap_get(&t->queue.index, w->symbols[i], w->symbols[i + 1]);
        t->queue.pairs[p].count -= w->count;
    }
}

/* Joins left and right to the newest symbol wherever they stand in the word, from left to right. */
static int merge_word(struct trainer *t, uint32_t word, uint32_t left, uint32_t right)
{
    struct word *w = &t->words[word];
    uint32_t i = 0;
    while (i + 1 < w->n && (w->symbols[i] != left || w->symbols[i + 1] != right))
        i++;
    if (i + 1 >= w->n)
        return 0; /* another merge was there first */
    subtract_pairs(t, w);
    uint32_t n = i;
    for (; i < w->n; n++) {
        bool joins = i + 1 < w->n && w->symbols[i] == left && w->symbols[i + 1] == right;
        w->symbols[n] = joins ? (uint16_t)(t->n_symbols - 1) : w->symbols[i];
        i += joins ? 2 : 1;
    }
    w->n = n;
    return add_pairs(t, word, false);
}

/* Makes the pair a symbol. The pair moves when others are made, so what is needed of it is taken
 * first. */
static int apply(struct trainer *t, struct pair *pair)
{
    struct pair p = *pair;
    pair->words = NULL;
    pair->n_words = pair->capacity = 0;
    t->merges[t->n_symbols - 256] = (struct vocab_merge){t->symbols[p.left], t->symbols[p.right]};
    t->symbols[t->n_symbols++] = p.joined;
    int status = 0;
    for (uint32_t i = 0; i < p.n_words && !status; i++)
        status = merge_word(t, p.words[i], p.left, p.right);
    free(p.words);
    return status;
}

static int load(struct trainer *t, const struct pretokens *words)
{
    for (uint32_t b = 0; b < 256; b++) {
        t->bytes[b] = (unsigned char)b;
        t->symbols[t->n_symbols++] = (struct vocab_bytes){t->bytes + b, 1};
    }
    uint16_t *at = t->sequence;
    for (size_t i = 0; i < words->n; i++) {
        const struct pretoken *p = &words->items[i];
        if (!teaches(p))
            continue;
        t->words[t->n_words] = (struct word){p->bytes, at, p->n, p->count};
        for (uint32_t k = 0; k < p->n; k++)
            *at++ = p->bytes[k];
        if (add_pairs(t, t->n_words++, true))
            return -1;
    }
    return 0;
}

/* Merges until all symbols are there or no pair is left; -1 only when out of memory. */
static int train(struct trainer *t, const struct pretokens *words)
{
    if (allocate(t, words) || load(t, words))
        return -1;
    while (t->n_symbols < t->max_symbols) {
        if (pairqueue_push_new(&t->queue))
            return -1;
        struct pair *p = pairqueue_pop(&t->queue);
        if (!p)
            break;
        if (apply(t, p))
            return -1;
    }
    return 0;
}

/* The vocabulary of all symbols, once in the order they were made, to count them in the encoded
 * corpus, then in the order of these counts. */
static int finish(struct vocab *v, const struct trainer *t, const struct pretokens *words,
                  enum vocab_normalize normalize, struct err *e)
{
    const uint64_t none[VOCAB_N_SPECIAL] = {0};
    uint32_t n = t->n_symbols;
    struct vocab made = {0};
    struct vocab_token *tokens = calloc(n, sizeof *tokens);
    uint64_t *counts = calloc((size_t)VOCAB_N_SPECIAL + n, sizeof *counts);
    int status = -1;
    if (!tokens || !counts) {
        err_memory(e, "out of memory for %u tokens", n);
        goto out;
    }
    for (uint32_t i = 0; i < n; i++)
        tokens[i].bytes = t->symbols[i];
    if (vocabbuild_make(&made, none, tokens, n, t->merges, n - 256, e) ||
        vocabbuild_count(&made, words, counts, NULL, e))
        goto out;
    for (uint32_t i = 0; i < n; i++)
        tokens[i].count = counts[VOCAB_N_SPECIAL + i];
    vocabbuild_sort(tokens, n);
    status = vocabbuild_make(v, counts, tokens, n, t->merges, n - 256, e);
    v->kind = VOCAB_BPE;
    v->normalize = normalize;
out:
    vocab_release(&made);
    free(tokens);
    free(counts);
    return status;
}

int bpetrain_run(struct vocab *v, const struct pretokens *words, uint32_t vocab_size,
                 enum vocab_normalize normalize, struct err *e)
{
    *v = (struct vocab){0};
    if (vocab_size < BPETRAIN_MIN_SIZE || vocab_size > VOCAB_MAX_TOKENS)
        return err_set(e, "bad vocabulary size (found %u, expected %d to %d)", vocab_size,
                       BPETRAIN_MIN_SIZE, VOCAB_MAX_TOKENS);
    struct trainer t = {.max_symbols = vocab_size - VOCAB_N_SPECIAL};
    int status;
    if (train(&t, words))
        status = err_memory(e, "out of memory for the training of a vocabulary");
    else if (t.n_symbols < t.max_symbols)
        status = err_set(e,
                         "the corpus has only %u distinct pieces, too few for a vocabulary of %u "
                         "(expected %u besides the %d specials)",
                         t.n_symbols, vocab_size, t.max_symbols, VOCAB_N_SPECIAL);
    else
        status = finish(v, &t, words, normalize, e);
    release(&t);
    return status;
}
