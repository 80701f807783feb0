#include "prep/bpetrain.h"

#include <stdlib.h>

#include "prep/pairqueue.h"
#include "prep/vocabbuild.h"

/* All pre-tokens that teach stand in one array of cells, a cell a byte, with a border before and
 * after each. A symbol has its number in its first and in its last cell, so that the neighbours of
 * any place are found in both directions without links: what is left of cell i ends in cell i - 1.
 * A cell where a symbol once began and no longer does is GONE, or it is the last cell of a longer
 * symbol; either way it never again has the number of one that began there.
 *
 * Every pair knows its places. All of them are found while its newer symbol is made, so they are
 * in order, and since then some may have ceased to be. Joining a pair goes through its places and
 * looks at nothing else, so the whole training takes about n log n steps for n bytes of pre-tokens,
 * of whatever length these are. */
enum { BORDER = 0xffff, GONE = 0xfffe };
_Static_assert(VOCAB_MAX_TOKENS - VOCAB_N_SPECIAL < GONE, "a symbol is neither BORDER nor GONE");
_Static_assert((int)BPETRAIN_MAX_TOKEN <= (int)VOCAB_MAX_TOKEN_BYTES, "a vocabulary takes tokens");

struct word {
    const unsigned char *bytes;
    uint64_t count;
    uint32_t at; /* its first cell */
};

struct trainer {
    unsigned char bytes[256];
    struct vocab_bytes *symbols; /* 256 bytes, then the merges' results, as they stand in a word */
    struct vocab_merge *merges;
    uint32_t n_symbols;
    uint32_t max_symbols;
    struct word *words;
    uint32_t n_words;
    uint16_t *cells;
    uint32_t n_cells;
    struct pairqueue queue;
};

static void release(struct trainer *t)
{
    free(t->symbols);
    free(t->merges);
    free(t->words);
    free(t->cells);
    pairqueue_release(&t->queue);
}

static bool teaches(const struct pretoken *p)
{
    return p->n >= 2 && p->count > 0;
}

static int allocate(struct trainer *t, const struct pretokens *words, struct err *e)
{
    size_t n_words = 0;
    size_t n_cells = 1;
    for (size_t i = 0; i < words->n; i++) {
        n_words += teaches(&words->items[i]);
        n_cells += teaches(&words->items[i]) ? (size_t)words->items[i].n + 1 : 0;
    }
    if (n_cells > UINT32_MAX)
        return err_set(e,
                       "the distinct words of the stories are too long to learn from (found %zu "
                       "bytes, at most %u): learn from fewer stories, then use --vocab",
                       n_cells - n_words - 1, UINT32_MAX);
    t->symbols = calloc(t->max_symbols, sizeof *t->symbols);
    t->merges = calloc(t->max_symbols, sizeof *t->merges);
    t->words = calloc(n_words + 1, sizeof *t->words);
    t->cells = malloc(n_cells * sizeof *t->cells);
    if (!t->symbols || !t->merges || !t->words || !t->cells ||
        pairqueue_init(&t->queue, t->symbols))
        return err_memory(e, "out of memory for the training of a vocabulary");
    return 0;
}

/* One more place of a pair. -1 only when out of memory, as below. */
static int add_place(struct trainer *t, uint32_t left, uint32_t right, uint32_t at, uint32_t word)
{
    if (t->symbols[left].n + t->symbols[right].n > BPETRAIN_MAX_TOKEN)
        return 0;
    struct pair *p = pairqueue_get(&t->queue, left, right);
    if (!p)
        return -1;
    p->count += t->words[word].count;
    return pairqueue_add_place(p, (struct pair_place){at, word});
}

/* One place less. The count alone says so: the place is found to be void when it is visited. */
static void subtract_place(struct trainer *t, uint32_t left, uint32_t right, uint32_t word)
{
    struct pair *p = pairqueue_find(&t->queue, left, right);
    if (p)
        p->count -= t->words[word].count;
}

/* Joins left and right to the newest symbol in one place, if they still stand there. */
static int join(struct trainer *t, uint32_t left, uint32_t right, struct pair_place place)
{
    uint16_t *c = t->cells;
    uint32_t newest = t->n_symbols - 1;
    uint32_t at = place.at;
    uint32_t middle = at + t->symbols[left].n;
    if (c[at] != left || c[middle] != right)
        return 0;
    uint32_t end = middle + t->symbols[right].n;
    uint32_t before = c[at - 1];
    uint32_t after = c[end];
    c[middle] = GONE;
    c[at] = c[end - 1] = (uint16_t)newest;
    struct vocab_bytes *made = &t->symbols[newest];
    if (!made->data)
        made->data = t->words[place.word].bytes + (at - t->words[place.word].at);
    if (before != BORDER) {
        subtract_place(t, before, left, place.word);
        if (add_place(t, before, newest, at - t->symbols[before].n, place.word))
            return -1;
    }
    if (after != BORDER) {
        subtract_place(t, right, after, place.word);
        if (add_place(t, newest, after, at, place.word))
            return -1;
    }
    return 0;
}

/* Makes the pair a symbol. The pair moves when others are made, so what is needed of it is taken
 * first. It has left the queue, so its count is not needed any more. */
static int apply(struct trainer *t, struct pair *pair)
{
    struct pair p = *pair;
    pair->places = NULL;
    const struct vocab_bytes *left = &t->symbols[p.left];
    const struct vocab_bytes *right = &t->symbols[p.right];
    t->merges[t->n_symbols - 256] = (struct vocab_merge){*left, *right};
    t->symbols[t->n_symbols++] = (struct vocab_bytes){NULL, left->n + right->n};
    int rc = 0;
    for (uint32_t i = 0; i < p.n_places && !rc; i++)
        rc = join(t, p.left, p.right, p.places[i]);
    free(p.places);
    return rc;
}

static int load(struct trainer *t, const struct pretokens *words)
{
    for (uint32_t b = 0; b < 256; b++) {
        t->bytes[b] = (unsigned char)b;
        t->symbols[t->n_symbols++] = (struct vocab_bytes){t->bytes + b, 1};
    }
    t->cells[t->n_cells++] = BORDER;
    for (size_t i = 0; i < words->n; i++) {
        const struct pretoken *p = &words->items[i];
        if (!teaches(p))
            continue;
        t->words[t->n_words] = (struct word){p->bytes, p->count, t->n_cells};
        for (uint32_t k = 0; k < p->n; k++, t->n_cells++) {
            t->cells[t->n_cells] = p->bytes[k];
            if (k && add_place(t, p->bytes[k - 1], p->bytes[k], t->n_cells - 1, t->n_words))
                return -1;
        }
        t->cells[t->n_cells++] = BORDER;
        t->n_words++;
    }
    return 0;
}

/* Merges until all symbols are there or no pair is left. */
static int train(struct trainer *t, const struct pretokens *words, struct err *e)
{
    if (allocate(t, words, e))
        return -1;
    int rc = load(t, words);
    while (!rc && t->n_symbols < t->max_symbols) {
        rc = pairqueue_push_new(&t->queue);
        struct pair *p = rc ? NULL : pairqueue_pop(&t->queue);
        if (!p)
            break;
        rc = apply(t, p);
    }
    return rc ? err_memory(e, "out of memory for the training of a vocabulary") : 0;
}

/* The vocabulary of all symbols, once in the order they were made, to count them in the encoded
 * corpus, then in the order of these counts. */
static int finish(struct vocab *v, const struct trainer *t, const struct pretokens *words,
                  struct vocab_form form, struct err *e)
{
    const uint64_t none[VOCAB_N_SPECIAL] = {0};
    uint32_t n = t->n_symbols;
    struct vocab made = {0};
    struct vocab_token *tokens = calloc(n, sizeof *tokens);
    uint64_t *counts = calloc((size_t)VOCAB_N_SPECIAL + n, sizeof *counts);
    int rc = -1;
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
    rc = vocabbuild_make(v, counts, tokens, n, t->merges, n - 256, e);
    v->kind = VOCAB_BPE;
    v->form = form;
out:
    vocab_release(&made);
    free(tokens);
    free(counts);
    return rc;
}

int bpetrain_run(struct vocab *v, const struct pretokens *words, uint32_t vocab_size, bool fewer,
                 struct vocab_form form, struct err *e)
{
    *v = (struct vocab){0};
    if (vocab_size < BPETRAIN_MIN_SIZE || vocab_size > VOCAB_MAX_TOKENS)
        return err_set(e, "bad vocabulary size (found %u, expected %d to %d)", vocab_size,
                       BPETRAIN_MIN_SIZE, VOCAB_MAX_TOKENS);
    struct trainer t = {.max_symbols = vocab_size - VOCAB_N_SPECIAL};
    int rc = train(&t, words, e);
    if (!rc && t.n_symbols < t.max_symbols && !fewer)
        rc = err_set(e,
                     "the stories have too few distinct pieces for a vocabulary of %u tokens: "
                     "the largest that works is %u",
                     vocab_size, t.n_symbols + VOCAB_N_SPECIAL);
    if (!rc)
        rc = finish(v, &t, words, form, e);
    release(&t);
    return rc;
}
