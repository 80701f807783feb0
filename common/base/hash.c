#include "base/hash.h"

#include <xxhash.h>

uint64_t hash64(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

struct hash128 hash128(const void *data, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(data, n);
    return (struct hash128){.low = h.low64, .high = h.high64};
}

int hash_init(struct hash_state *h)
{
    XXH3_state_t *s = XXH3_createState();
    h->state = s;
    return s && XXH3_64bits_reset(s) == XXH_OK ? 0 : -1;
}

void hash_update(struct hash_state *h, const void *data, size_t n)
{
    if (n)
        XXH3_64bits_update(h->state, data, n);
}

uint64_t hash_digest(const struct hash_state *h)
{
    return XXH3_64bits_digest(h->state);
}

void hash_release(struct hash_state *h)
{
    XXH3_freeState(h->state);
    h->state = NULL;
}
