/* hash.h - XXH3 64-bit (libxxhash): file checks, fingerprints, hash tables. */
#ifndef HASH_H
#define HASH_H

#include "base/base.h"

/* XXH3_64bits of n bytes. */
uint64_t hash64(const void *data, size_t n);

/* XXH3_128bits of n bytes: wide enough to tell texts apart by (2^27 of them: chance 2^-75). */
struct hash128 {
    uint64_t low, high;
};
struct hash128 hash128(const void *data, size_t n);

/* The 64-bit hash over pieces fed in order: init, update…, digest. */
struct hash_state {
    void *state; /* owned */
};
MUST_USE int hash_init(struct hash_state *h); /* -1 when out of memory */
void hash_update(struct hash_state *h, const void *data, size_t n);
uint64_t hash_digest(const struct hash_state *h);
void hash_release(struct hash_state *h);

#endif
