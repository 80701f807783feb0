/* bytemap.h - a hash map from byte strings to their numbers in an array. The strings and the array
 * belong to the caller. */
#ifndef BYTEMAP_H
#define BYTEMAP_H

#include "text/vocab.h"

#define BYTEMAP_NONE UINT32_MAX

struct bytemap_slot;
struct bytemap {
    struct bytemap_slot *slots;
    size_t mask;
    const unsigned char *items;
    size_t stride;
};

/* Room for up to `capacity` strings; string number i is the struct vocab_bytes that begins element
 * i, of `stride` bytes, of the array `items`. -1 when out of memory. bytemap_release at the end. */
MUST_USE int bytemap_init(struct bytemap *m, size_t capacity, const void *items, size_t stride);
void bytemap_release(struct bytemap *m); /* safe on a zeroed map */

/* Number of a string, or BYTEMAP_NONE. */
uint32_t bytemap_get(const struct bytemap *m, struct vocab_bytes key);

/* Prefetches what bytemap_get of this string will read. */
void bytemap_prefetch(const struct bytemap *m, struct vocab_bytes key);

/* Adds string `number` (< BYTEMAP_NONE), which is `key`, and returns BYTEMAP_NONE; if its bytes are
 * in the map already, changes nothing and returns the number they have. At most `capacity` strings.
 */
uint32_t bytemap_add(struct bytemap *m, struct vocab_bytes key, uint32_t number);

/* Order of byte strings: as unsigned bytes, a prefix before what it begins. <0, 0, >0. */
int bytemap_compare(struct vocab_bytes a, struct vocab_bytes b);

#endif
