/* pairqueue.h - all pairs of neighbouring symbols with their counts, most frequent first.
 *
 * A heap of (count, pair) that is mended when popped: merging only ever lowers the counts of pairs
 * already in it (each merge makes a new symbol, so what grows is new pairs, pushed once they are
 * counted). An entry whose count is out of date is put back with the present one; the entry on top
 * whose count is right is then the most frequent pair. */
#ifndef PAIRQUEUE_H
#define PAIRQUEUE_H

#include "prep/pairmap.h"
#include "text/vocab.h"

struct pair {
    uint32_t left, right;      /* symbols */
    struct vocab_bytes joined; /* bytes of both; memory of the caller */
    uint32_t left_n;           /* of which these many are the left symbol's */
    uint64_t count;
    uint32_t *words; /* owned: where it stands; may name a word twice, or one it has left since */
    uint32_t n_words;
    uint32_t capacity;
};

struct pairqueue_entry {
    uint64_t count;
    uint32_t pair;
};

struct pairqueue {
    struct pair *pairs; /* [n] */
    uint32_t n;
    uint32_t capacity;
    uint32_t n_pushed; /* pairs below this number have been in the heap */
    struct pairmap index;
    struct pairqueue_entry *heap;
    size_t n_heap;
    size_t heap_capacity;
};

MUST_USE int pairqueue_init(struct pairqueue *q); /* -1 when out of memory, as below */
void pairqueue_release(struct pairqueue *q);      /* safe on a zeroed queue */

/* The pair given by left and right, made with count 0 if there is none. Valid until the next call;
 * NULL when out of memory. */
struct pair *pairqueue_get(struct pairqueue *q, uint32_t left, uint32_t right,
                           struct vocab_bytes joined, uint32_t left_n);

/* Notes that the pair stands in a word. */
MUST_USE int pairqueue_add_word(struct pair *p, uint32_t word);

/* Puts the pairs made since the last call into the heap. */
MUST_USE int pairqueue_push_new(struct pairqueue *q);

/* Takes the most frequent pair out of the heap (ties: smaller left bytes, then right bytes); NULL
 * if none has a count above 0. Valid until the next pairqueue_get. */
struct pair *pairqueue_pop(struct pairqueue *q);

#endif
