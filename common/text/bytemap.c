#include "text/bytemap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct bytemap_slot {
    uint32_t hash;
    uint32_t next_number; /* the number + 1; 0: free */
};

int bytemap_init(struct bytemap *m, size_t capacity, const void *items, size_t stride)
{
    size_t n = 16;
    while (n < capacity + capacity / 2)
        n *= 2;
    *m = (struct bytemap){calloc(n, sizeof *m->slots), n - 1, items, stride};
    return m->slots ? 0 : -1;
}

void bytemap_release(struct bytemap *m)
{
    free(m->slots);
    *m = (struct bytemap){0};
}

static bool is_string(const struct bytemap *m, uint32_t number, struct vocab_bytes key)
{
    const struct vocab_bytes *s = (const void *)(m->items + number * m->stride);
    return s->n == key.n && memcmp(s->data, key.data, key.n) == 0;
}

/* The slot that holds key, or the free one where it would go. */
static struct bytemap_slot *find(const struct bytemap *m, struct vocab_bytes key, uint32_t *hash)
{
    uint64_t h = hash64(key.data, key.n);
    *hash = (uint32_t)(h >> 32);
    for (size_t i = (size_t)h & m->mask;; i = (i + 1) & m->mask) {
        struct bytemap_slot *s = &m->slots[i];
        if (!s->next_number || (s->hash == *hash && is_string(m, s->next_number - 1, key)))
            return s;
    }
}

void bytemap_prefetch(const struct bytemap *m, struct vocab_bytes key)
{
    __builtin_prefetch(&m->slots[(size_t)hash64(key.data, key.n) & m->mask]);
}

/* 0 - 1 is BYTEMAP_NONE. */
uint32_t bytemap_get(const struct bytemap *m, struct vocab_bytes key)
{
    uint32_t hash;
    return find(m, key, &hash)->next_number - 1;
}

uint32_t bytemap_add(struct bytemap *m, struct vocab_bytes key, uint32_t number)
{
    uint32_t hash;
    struct bytemap_slot *s = find(m, key, &hash);
    if (s->next_number)
        return s->next_number - 1;
    *s = (struct bytemap_slot){hash, number + 1};
    return BYTEMAP_NONE;
}

int bytemap_compare(struct vocab_bytes a, struct vocab_bytes b)
{
    int order = memcmp(a.data, b.data, MIN(a.n, b.n));
    return order ? order : (a.n > b.n) - (a.n < b.n);
}
