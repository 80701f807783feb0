/* pairmap.h - a hash map from pairs of symbols to numbers, growing as needed. */
#ifndef PAIRMAP_H
#define PAIRMAP_H

#include "base/base.h"

#define PAIRMAP_NONE UINT32_MAX

struct pairmap_slot;
struct pairmap {
    struct pairmap_slot *slots;
    size_t mask;
    size_t n;
};

/* Room for `capacity` pairs before it first grows; -1 when out of memory. */
MUST_USE int pairmap_init(struct pairmap *m, size_t capacity);
void pairmap_release(struct pairmap *m); /* safe on a zeroed map */

/* Value of a pair, or PAIRMAP_NONE. */
uint32_t pairmap_get(const struct pairmap *m, uint32_t left, uint32_t right);

/* Finds the pair, or adds it with the value given (< PAIRMAP_NONE); *found gets the value that now
 * stands in the map. -1 when out of memory. */
MUST_USE int pairmap_add(struct pairmap *m, uint32_t left, uint32_t right, uint32_t value,
                         uint32_t *found);

#endif
