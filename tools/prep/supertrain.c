#include "prep/supertrain.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "prep/bpetrain.h"
#include "prep/pairqueue.h"
#include "prep/vocabbuild.h"

/* A symbol has its number in its first and in its last cell, as in bpetrain.c, a cell being a
 * symbol of the base here.
 *
 * Most pairs are rare and never joined, so the queue holds only those that stand in `least` places
 * or more: counts of pairs only fall, and of new ones all are counted when they are made. Once the
 * most frequent pair of the queue is rarer than that, `least` is lowered and the queue made again.
 * Which pairs may be frequent is found in sums of the counts of all pairs that share a hash. */
enum {
    BORDER = SUPERTRAIN_BORDER,
    GONE = 0xfffe,
    MOST_BUCKETS = 1 << 18,
    AHEAD = 2,
    PREFETCH = 12
};
_Static_assert(VOCAB_MAX_TOKENS - VOCAB_N_SPECIAL < GONE, "a symbol is neither BORDER nor GONE");

struct trainer {
    uint16_t *cells;
    uint32_t n_cells;
    struct vocab_bytes *symbols; /* 256 bytes, then the merges' results, which lie in storage */
    uint32_t *spans;             /* cells that a symbol takes */
    struct vocab_merge *merges;
    unsigned char *storage;
    size_t n_storage;
    uint32_t n_symbols, n_base, max_symbols;
    struct pairqueue queue;
    uint32_t least;
    uint16_t *buckets; /* [n_buckets]; no sum goes beyond UINT16_MAX */
    size_t n_buckets;  /* a power of two */
    uint32_t *before,
        *after;       /* [max_symbols]: neighbours of the newest symbol, zero between uses */
    uint32_t *joined; /* where it was made */
    size_t n_joined, capacity;
};

static void release(struct trainer *t)
{
    free(t->symbols);
    free(t->spans);
    free(t->merges);
    free(t->storage);
    free(t->buckets);
    free(t->before);
    free(t->after);
    free(t->joined);
    pairqueue_release(&t->queue);
}

static void add_symbol(struct trainer *t, struct vocab_bytes left, struct vocab_bytes right,
                       uint32_t span)
{
    unsigned char *at = t->storage + t->n_storage;
    memcpy(at, left.data, left.n);
    if (right.n)
        memcpy(at + left.n, right.data, right.n);
    t->symbols[t->n_symbols] = (struct vocab_bytes){at, left.n + right.n};
    t->spans[t->n_symbols++] = span;
    t->n_storage += left.n + right.n;
}

/* -1 only when out of memory, as everywhere below. */
static int init(struct trainer *t, const struct vocab *base)
{
    size_t n = t->max_symbols;
    t->n_buckets = 256;
    while (t->n_buckets < MIN((size_t)MOST_BUCKETS, (size_t)t->n_cells))
        t->n_buckets *= 2;
    t->symbols = calloc(n, sizeof *t->symbols);
    t->spans = calloc(n, sizeof *t->spans);
    t->merges = calloc(n, sizeof *t->merges);
    t->storage = malloc(n * BPETRAIN_MAX_TOKEN);
    t->buckets = malloc(t->n_buckets * sizeof *t->buckets);
    t->before = calloc(n, sizeof *t->before);
    t->after = calloc(n, sizeof *t->after);
    if (!t->symbols || !t->spans || !t->merges || !t->storage || !t->buckets || !t->before ||
        !t->after)
        return -1;
    for (uint32_t b = 0; b < 256; b++) {
        unsigned char byte = (unsigned char)b;
        add_symbol(t, (struct vocab_bytes){&byte, 1}, (struct vocab_bytes){NULL, 0}, 1);
    }
    for (uint32_t i = 0; i < base->n_merges; i++) {
        t->merges[i] = base->merges[i];
        add_symbol(t, base->merges[i].left, base->merges[i].right, 1);
    }
    t->n_base = t->n_symbols;
    return 0;
}

static bool too_long(const struct trainer *t, uint32_t left, uint32_t right)
{
    return t->symbols[left].n + t->symbols[right].n > BPETRAIN_MAX_TOKEN;
}

static uint16_t *bucket(const struct trainer *t, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    return &t->buckets[(h >> 32) & (t->n_buckets - 1)];
}

/* One more place of a pair. */
static int add_place(struct trainer *t, uint32_t left, uint32_t right, uint32_t at)
{
    struct pair *p = pairqueue_get(&t->queue, left, right);
    if (!p)
        return -1;
    p->count++;
    return pairqueue_add_place(p, (struct pair_place){at, 0});
}

/* A size in steps of an eighth of a power of two, and the least size of such a step. */
static uint32_t step_of(uint32_t size)
{
    uint32_t shift = size < 16 ? 0 : 28 - (uint32_t)__builtin_clz(size);
    return 8 * shift + (size >> shift);
}

static uint32_t step_start(uint32_t step)
{
    uint32_t shift = step < 16 ? 0 : step / 8 - 1;
    return (step - 8 * shift) << shift;
}

/* About the size of the bucket number `wanted` from the largest, at most `most`. */
static uint32_t choose_least(const struct trainer *t, size_t wanted, uint32_t most)
{
    size_t n_buckets[256] = {0}, n = 0;
    for (size_t i = 0; i < t->n_buckets; i++)
        n_buckets[step_of(t->buckets[i])]++;
    uint32_t step = ARRAY_LEN(n_buckets) - 1;
    while (step && (n += n_buckets[step]) < wanted)
        step--;
    return MAX(1U, MIN(most, step_start(step)));
}

typedef int on_pair(struct trainer *t, uint32_t left, uint32_t right, uint32_t at);

static int count_pair(struct trainer *t, uint32_t left, uint32_t right, uint32_t at)
{
    uint16_t *b = bucket(t, left, right);
    (void)at;
    *b = (uint16_t)(*b + (*b < UINT16_MAX));
    return 0;
}

static int place_pair(struct trainer *t, uint32_t left, uint32_t right, uint32_t at)
{
    if (*bucket(t, left, right) < t->least || too_long(t, left, right))
        return 0;
    return add_place(t, left, right, at);
}

static int each_pair(struct trainer *t, on_pair *call)
{
    uint32_t left = BORDER, left_at = 0;
    for (uint32_t at = 0; at < t->n_cells;) {
        uint32_t s = t->cells[at];
        if (s != BORDER && left != BORDER && call(t, left, s, left_at))
            return -1;
        left = s;
        left_at = at;
        at += s == BORDER ? 1 : t->spans[s];
    }
    return 0;
}

/* Fills the queue for a lower `least`. */
static int refill(struct trainer *t, uint32_t most)
{
    pairqueue_release(&t->queue);
    memset(t->buckets, 0, t->n_buckets * sizeof *t->buckets);
    size_t wanted = (size_t)AHEAD * (t->max_symbols - t->n_symbols);
    if (pairqueue_init(&t->queue, t->symbols) || each_pair(t, count_pair))
        return -1;
    t->least = choose_least(t, wanted, most);
    return each_pair(t, place_pair);
}

static void subtract_place(struct trainer *t, uint32_t left, uint32_t right)
{
    struct pair *p = pairqueue_find(&t->queue, left, right);
    if (p)
        p->count--;
}

/* Joins left and right to the newest symbol in one place, if they still stand there. */
static int join(struct trainer *t, uint32_t left, uint32_t right, uint32_t at)
{
    uint16_t *c = t->cells;
    uint32_t newest = t->n_symbols - 1;
    uint32_t middle = at + t->spans[left];
    if (c[at] != left || c[middle] != right)
        return 0;
    uint32_t end = middle + t->spans[right];
    c[middle] = GONE;
    c[at] = c[end - 1] = (uint16_t)newest;
    if (c[at - 1] != BORDER)
        subtract_place(t, c[at - 1], left);
    if (c[end] != BORDER)
        subtract_place(t, right, c[end]);
    if (array_reserve(&t->joined, &t->capacity, t->n_joined + 1, sizeof *t->joined))
        return -1;
    t->joined[t->n_joined++] = at;
    return 0;
}

/* The pairs that the newest symbol is in, those with itself counted as what comes after it. */
static int add_new(struct trainer *t)
{
    const uint16_t *c = t->cells;
    uint32_t newest = t->n_symbols - 1;
    uint32_t span = t->spans[newest];
    for (size_t i = 0; i < t->n_joined; i++) {
        uint32_t at = t->joined[i];
        if (c[at - 1] != BORDER)
            t->before[c[at - 1]]++;
        if (c[at + span] != BORDER)
            t->after[c[at + span]]++;
    }
    int rc = 0;
    for (size_t i = 0; i < t->n_joined && !rc; i++) {
        uint32_t at = t->joined[i], before = c[at - 1], after = c[at + span];
        if (before != BORDER && before != newest && t->before[before] >= t->least &&
            !too_long(t, before, newest))
            rc = add_place(t, before, newest, at - t->spans[before]);
        if (!rc && after != BORDER && t->after[after] >= t->least && !too_long(t, newest, after))
            rc = add_place(t, newest, after, at);
    }
    for (size_t i = 0; i < t->n_joined; i++) {
        uint32_t at = t->joined[i];
        if (c[at - 1] != BORDER)
            t->before[c[at - 1]] = 0;
        if (c[at + span] != BORDER)
            t->after[c[at + span]] = 0;
    }
    return rc;
}

/* Makes the pair a symbol. */
static int apply(struct trainer *t, struct pair *pair)
{
    struct pair p = *pair;
    pair->places = NULL;
    t->merges[t->n_symbols - 256] = (struct vocab_merge){t->symbols[p.left], t->symbols[p.right]};
    add_symbol(t, t->symbols[p.left], t->symbols[p.right], t->spans[p.left] + t->spans[p.right]);
    t->n_joined = 0;
    int rc = 0;
    for (uint32_t i = 0; i < p.n_places && !rc; i++) {
        if (i + PREFETCH < p.n_places)
            __builtin_prefetch(t->cells + p.places[i + PREFETCH].at);
        rc = join(t, p.left, p.right, p.places[i].at);
    }
    free(p.places);
    return rc ? rc : add_new(t);
}

static int train(struct trainer *t)
{
    int rc = refill(t, UINT32_MAX);
    while (!rc && t->n_symbols < t->max_symbols) {
        rc = pairqueue_push_new(&t->queue);
        struct pair *p = rc ? NULL : pairqueue_pop(&t->queue);
        if (!rc && p && p->count >= t->least)
            rc = apply(t, p);
        else if (!rc && t->least > 1)
            rc = refill(t, t->least / 2);
        else
            break;
    }
    return rc;
}

static int finish(struct vocab *v, const struct trainer *t, const struct vocab *base, struct err *e)
{
    const uint64_t none[VOCAB_N_SPECIAL] = {0};
    uint32_t n = t->n_symbols;
    struct vocab_token *tokens = calloc(n, sizeof *tokens);
    if (!tokens)
        return err_memory(e, "out of memory for %u tokens", n);
    for (uint32_t i = 0; i < n; i++)
        tokens[i].bytes = t->symbols[i];
    int rc = vocabbuild_make(v, none, tokens, n, t->merges, n - 256, e);
    v->kind = VOCAB_BPE;
    v->form = base->form;
    v->pretokens = VOCAB_SENTENCES;
    free(tokens);
    return rc;
}

int supertrain_run(struct vocab *v, const struct vocab *base, struct supertrain_text *text,
                   uint32_t vocab_size, struct err *e)
{
    *v = (struct vocab){0};
    struct trainer t = {
        .cells = text->cells, .n_cells = text->n, .max_symbols = vocab_size - VOCAB_N_SPECIAL};
    int rc = init(&t, base) || train(&t)
                 ? err_memory(e, "out of memory for the learning of superwords")
                 : finish(v, &t, base, e);
    release(&t);
    return rc;
}
