/* bytemap.h - a hash map from byte strings to numbers. The strings stay the caller's. */
#ifndef BYTEMAP_H
#define BYTEMAP_H

#include "text/vocab.h"

#define BYTEMAP_NONE UINT32_MAX

struct bytemap_slot;
struct bytemap {
    struct bytemap_slot *slots;
    size_t mask;
};

/* Room for up to `capacity` strings; -1 when out of memory. bytemap_release at the end. */
MUST_USE int bytemap_init(struct bytemap *m, size_t capacity);
void bytemap_release(struct bytemap *m); /* safe on a zeroed map */

/* Value of a string, or BYTEMAP_NONE. */
uint32_t bytemap_get(const struct bytemap *m, struct vocab_bytes key);

/* Adds a string that is not in the map yet and returns BYTEMAP_NONE; if it is, changes nothing and
 * returns the value it has. At most `capacity` strings; value < BYTEMAP_NONE. */
uint32_t bytemap_add(struct bytemap *m, struct vocab_bytes key, uint32_t value);

/* Order of byte strings: as unsigned bytes, a prefix before what it begins. <0, 0, >0. */
int bytemap_compare(struct vocab_bytes a, struct vocab_bytes b);

#endif
