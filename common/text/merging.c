#include "text/merging.h"

#include <stdlib.h>
#include <string.h>

/* ---- few symbols ----------------------------------------------------------------------------- */

/* A symbol, and the rank of its merge with the next. */
struct few {
    uint32_t symbol, rank;
};

static void rank_pair(const struct merging_by *by, struct few *pair)
{
    uint32_t left = pair[0].symbol, right = pair[1].symbol;
    uint32_t rank =
        by->table ? ranktable_get(by->table, left, right) : merges_rank(by->merges, left, right);
    pair->rank = rank < by->end ? rank : MERGES_NONE;
}

/* For a dozen symbols this is faster than a list and a heap. */
static size_t run_few(const struct merging_by *by, uint32_t *symbols, size_t n)
{
    struct few few[MERGING_FEW];
    for (size_t i = 0; i < n; i++)
        few[i].symbol = symbols[i];
    for (size_t i = 0; i + 1 < n; i++)
        rank_pair(by, few + i);
    while (n > 1) {
        uint32_t best = few[0].rank;
        size_t at = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            at = few[i].rank < best ? i : at;
            best = MIN(best, few[i].rank);
        }
        if (best == MERGES_NONE)
            break;
        n--;
        for (size_t i = at; i < n; i++)
            few[i] = few[i + 1];
        few[at].symbol = by->merges->pairs[best].result;
        if (at > 0)
            rank_pair(by, few + at - 1);
        if (at + 1 < n)
            rank_pair(by, few + at);
    }
    for (size_t i = 0; i < n; i++)
        symbols[i] = few[i].symbol;
    return n;
}

/* ---- many ------------------------------------------------------------------------------------ */

/* A doubly linked list of symbols over their positions, and a heap of the merges that might be
 * made. */
struct work {
    uint64_t *heap; /* [3n] rank << 32 | position: lowest rank first, then leftmost */
    size_t n_heap;
    uint32_t *symbol; /* [n] */
    uint32_t *next;   /* [n]; n at the end */
    uint32_t *prev;   /* [n]; n at the start */
    uint32_t n;
    uint32_t end;
};

static void heap_push(struct work *w, uint64_t key)
{
    size_t i = w->n_heap++;
    while (i > 0 && w->heap[(i - 1) / 2] > key) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = key;
}

static uint64_t heap_pop(struct work *w)
{
    uint64_t top = w->heap[0];
    uint64_t key = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        child += child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child];
        if (w->heap[child] >= key)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = key;
    return top;
}

/* Proposes joining the symbol at position i with its neighbour, if there is such a merge. */
static void propose(const struct merges *m, struct work *w, uint32_t i)
{
    if (i == w->n || w->next[i] == w->n)
        return;
    uint32_t rank = merges_rank(m, w->symbol[i], w->symbol[w->next[i]]);
    if (rank < w->end)
        heap_push(w, (uint64_t)rank << 32 | i);
}

/* Runs the merges of ranks below w->end on the symbols. Positions joined to their left neighbour
 * get a symbol that is in no merge, so proposals made before that are known to be stale. */
static void merge_all(const struct merges *m, struct work *w)
{
    const uint32_t gone = UINT32_MAX;
    for (uint32_t i = 0; i < w->n; i++) {
        w->next[i] = i + 1;
        w->prev[i] = i ? i - 1 : w->n;
    }
    for (uint32_t i = 0; i < w->n; i++)
        propose(m, w, i);
    while (w->n_heap) {
        uint64_t top = heap_pop(w);
        uint32_t i = (uint32_t)top;
        const struct merges_pair *p = &m->pairs[top >> 32];
        uint32_t j = w->next[i];
        if (w->symbol[i] != p->left || j == w->n || w->symbol[j] != p->right)
            continue;
        w->symbol[i] = p->result;
        w->symbol[j] = gone;
        w->next[i] = w->next[j];
        if (w->next[i] < w->n)
            w->prev[w->next[i]] = i;
        propose(m, w, w->prev[i]);
        propose(m, w, i);
    }
}

static size_t run_many(const struct merging_by *by, uint32_t *symbols, size_t n)
{
    struct work w = {.heap = (uint64_t *)(void *)symbols - 3 * n,
                     .symbol = symbols,
                     .next = symbols + n,
                     .prev = symbols + 2 * n,
                     .n = (uint32_t)n,
                     .end = by->end};
    merge_all(by->merges, &w);
    size_t left = 0;
    for (uint32_t i = 0; i < w.n; i = w.next[i])
        symbols[left++] = symbols[i];
    return left;
}

/* ---- both ------------------------------------------------------------------------------------ */

int merging_begin(struct merging *g, size_t n, void *room, size_t room_bytes)
{
    size_t size;
    g->n = n;
    g->memory = NULL;
    g->symbols = g->few;
    if (n <= MERGING_FEW)
        return 0;
    if (n >= UINT32_MAX || !size_mul(n, MERGING_BYTES, &size))
        return -1;
    if (!room || size > room_bytes)
        room = g->memory = malloc(size);
    if (!room)
        return -1;
    g->symbols = (uint32_t *)((uint64_t *)room + 3 * n);
    return 0;
}

void merging_run(struct merging *g, const struct merging_by *by)
{
    g->n = g->n <= MERGING_FEW ? run_few(by, g->symbols, g->n) : run_many(by, g->symbols, g->n);
}

void merging_end(struct merging *g)
{
    free(g->memory);
}
