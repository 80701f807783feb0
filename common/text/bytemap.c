#include "text/bytemap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct bytemap_slot {
    struct vocab_bytes key;
    uint32_t hash;
    uint32_t value; /* BYTEMAP_NONE: free */
};

int bytemap_init(struct bytemap *m, size_t capacity)
{
    size_t n = 16;
    while (n < capacity * 2)
        n *= 2;
    m->mask = n - 1;
    m->slots = calloc(n, sizeof *m->slots);
    if (!m->slots)
        return -1;
    for (size_t i = 0; i < n; i++)
        m->slots[i].value = BYTEMAP_NONE;
    return 0;
}

void bytemap_release(struct bytemap *m)
{
    free(m->slots);
    *m = (struct bytemap){0};
}

/* The slot that holds key, or the free one where it would go. */
static struct bytemap_slot *find(const struct bytemap *m, struct vocab_bytes key, uint32_t *hash)
{
    uint64_t h = hash64(key.data, key.n);
    *hash = (uint32_t)(h >> 32);
    for (size_t i = (size_t)h & m->mask;; i = (i + 1) & m->mask) {
        struct bytemap_slot *s = &m->slots[i];
        if (s->value == BYTEMAP_NONE ||
            (s->hash == *hash && s->key.n == key.n && !memcmp(s->key.data, key.data, key.n)))
            return s;
    }
}

uint32_t bytemap_get(const struct bytemap *m, struct vocab_bytes key)
{
    uint32_t hash;
    return find(m, key, &hash)->value;
}

uint32_t bytemap_add(struct bytemap *m, struct vocab_bytes key, uint32_t value)
{
    uint32_t hash;
    struct bytemap_slot *s = find(m, key, &hash);
    if (s->value != BYTEMAP_NONE)
        return s->value;
    *s = (struct bytemap_slot){key, hash, value};
    return BYTEMAP_NONE;
}

int bytemap_compare(struct vocab_bytes a, struct vocab_bytes b)
{
    int order = memcmp(a.data, b.data, MIN(a.n, b.n));
    return order ? order : (a.n > b.n) - (a.n < b.n);
}
