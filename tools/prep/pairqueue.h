/* pairqueue.h - all pairs of neighbouring symbols with their counts, most frequent first.
 *
 * A heap of (count, pair) that is corrected when popped: merging only lowers the counts of pairs
 * already in it (each merge makes a new symbol, so only new pairs grow, which are pushed once they
 * are counted). An entry whose count is out of date is put back with the current one; the entry on
 * top whose count is right is then the most frequent pair. */
#ifndef PAIRQUEUE_H
#define PAIRQUEUE_H

#include "prep/pairmap.h"
#include "text/vocab.h"

struct pair_place {
    uint32_t at;   /* where the left symbol begins, in the caller's count */
    uint32_t word; /* the word it stands in */
};

struct pair {
    uint32_t left, right; /* symbols */
    uint64_t count;
    struct pair_place *places; /* owned: where it stands, or has stood since it was made */
    uint32_t n_places;
    uint32_t capacity;
};

struct pairqueue_entry {
    uint64_t count;
    uint32_t pair;
};

struct pairqueue {
    const struct vocab_bytes *symbols; /* what ties are broken by; the caller's */
    struct pair *pairs;                /* [n] */
    uint32_t n;
    uint32_t capacity;
    uint32_t n_pushed; /* pairs below this number have been in the heap */
    struct pairmap index;
    struct pairqueue_entry *heap;
    size_t n_heap;
    size_t heap_capacity;
};

/* `symbols` are read when pairs are compared: those of every pair pushed must exist by then.
 * -1 when out of memory, as below. */
MUST_USE int pairqueue_init(struct pairqueue *q, const struct vocab_bytes *symbols);
void pairqueue_release(struct pairqueue *q); /* safe on a zeroed queue */

/* The pair given by left and right, made with count 0 if there is none. Valid until the next call;
 * NULL when out of memory. */
struct pair *pairqueue_get(struct pairqueue *q, uint32_t left, uint32_t right);

/* The same, NULL if there is none. */
struct pair *pairqueue_find(const struct pairqueue *q, uint32_t left, uint32_t right);

/* Notes that the pair stands in a place. */
MUST_USE int pairqueue_add_place(struct pair *p, struct pair_place place);

/* Puts the pairs made since the last call into the heap. */
MUST_USE int pairqueue_push_new(struct pairqueue *q);

/* Takes the most frequent pair out of the heap (ties: smaller left bytes, then right bytes); NULL
 * if none has a count above 0. Valid until the next pairqueue_get. */
struct pair *pairqueue_pop(struct pairqueue *q);

#endif
