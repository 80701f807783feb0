#include "prep/pairqueue.h"

#include <stdlib.h>

#include "base/array.h"
#include "text/bytemap.h"

enum { FIRST_CAPACITY = 1024, FIRST_PLACES = 4 };

int pairqueue_init(struct pairqueue *q, const struct vocab_bytes *symbols)
{
    *q = (struct pairqueue){.symbols = symbols, .capacity = FIRST_CAPACITY};
    q->pairs = calloc(q->capacity, sizeof *q->pairs);
    return q->pairs && !pairmap_init(&q->index, FIRST_CAPACITY) ? 0 : -1;
}

void pairqueue_release(struct pairqueue *q)
{
    for (uint32_t i = 0; i < q->n; i++)
        free(q->pairs[i].places);
    free(q->pairs);
    free(q->heap);
    pairmap_release(&q->index);
    *q = (struct pairqueue){0};
}

struct pair *pairqueue_get(struct pairqueue *q, uint32_t left, uint32_t right)
{
    if (q->n == q->capacity) {
        if (q->capacity > PAIRMAP_NONE / 4)
            return NULL;
        struct pair *grown = realloc(q->pairs, 2 * (size_t)q->capacity * sizeof *grown);
        if (!grown)
            return NULL;
        q->pairs = grown;
        q->capacity *= 2;
    }
    uint32_t i;
    if (pairmap_add(&q->index, left, right, q->n, &i))
        return NULL;
    if (i == q->n)
        q->pairs[q->n++] = (struct pair){.left = left, .right = right};
    return &q->pairs[i];
}

struct pair *pairqueue_find(const struct pairqueue *q, uint32_t left, uint32_t right)
{
    uint32_t i = pairmap_get(&q->index, left, right);
    return i == PAIRMAP_NONE ? NULL : &q->pairs[i];
}

int pairqueue_add_place(struct pair *p, struct pair_place place)
{
    if (p->n_places == p->capacity) {
        if (p->capacity > UINT32_MAX / 2)
            return -1;
        uint32_t capacity = p->capacity ? p->capacity * 2 : FIRST_PLACES;
        struct pair_place *grown = realloc(p->places, capacity * sizeof *grown);
        if (!grown)
            return -1;
        p->places = grown;
        p->capacity = capacity;
    }
    p->places[p->n_places++] = place;
    return 0;
}

/* True if a comes out before b. */
static bool before(const struct pairqueue *q, struct pairqueue_entry a, struct pairqueue_entry b)
{
    if (a.count != b.count)
        return a.count > b.count;
    const struct pair *x = &q->pairs[a.pair];
    const struct pair *y = &q->pairs[b.pair];
    int order = bytemap_compare(q->symbols[x->left], q->symbols[y->left]);
    if (!order)
        order = bytemap_compare(q->symbols[x->right], q->symbols[y->right]);
    return order < 0;
}

static void sift_up(struct pairqueue *q, struct pairqueue_entry entry)
{
    size_t i = q->n_heap++;
    for (; i > 0 && before(q, entry, q->heap[(i - 1) / 2]); i = (i - 1) / 2)
        q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = entry;
}

/* Puts entry in the place of the top. */
static void sift_down(struct pairqueue *q, struct pairqueue_entry entry)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->n_heap; i = child) {
        child += child + 1 < q->n_heap && before(q, q->heap[child + 1], q->heap[child]);
        if (!before(q, q->heap[child], entry))
            break;
        q->heap[i] = q->heap[child];
    }
    q->heap[i] = entry;
}

int pairqueue_push_new(struct pairqueue *q)
{
    size_t wanted = q->n_heap + (q->n - q->n_pushed);
    if (array_reserve(&q->heap, &q->heap_capacity, wanted, sizeof *q->heap))
        return -1;
    for (; q->n_pushed < q->n; q->n_pushed++)
        sift_up(q, (struct pairqueue_entry){q->pairs[q->n_pushed].count, q->n_pushed});
    return 0;
}

struct pair *pairqueue_pop(struct pairqueue *q)
{
    while (q->n_heap) {
        struct pairqueue_entry top = q->heap[0];
        struct pair *p = &q->pairs[top.pair];
        if (p->count && p->count != top.count) {
            top.count = p->count;
            sift_down(q, top);
            continue;
        }
        struct pairqueue_entry last = q->heap[--q->n_heap];
        if (q->n_heap)
            sift_down(q, last);
        if (p->count)
            return p;
    }
    return NULL;
}
