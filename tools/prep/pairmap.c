#include "prep/pairmap.h"

#include <stdlib.h>

struct pairmap_slot {
    uint64_t key;
    uint32_t value; /* PAIRMAP_NONE: free */
};

static struct pairmap_slot *new_slots(size_t n)
{
    struct pairmap_slot *slots = n <= SIZE_MAX / sizeof *slots ? malloc(n * sizeof *slots) : NULL;
    for (size_t i = 0; slots && i < n; i++)
        slots[i].value = PAIRMAP_NONE;
    return slots;
}

int pairmap_init(struct pairmap *m, size_t capacity)
{
    size_t n = 16;
    while (n < capacity * 2)
        n *= 2;
    *m = (struct pairmap){new_slots(n), n - 1, 0};
    return m->slots ? 0 : -1;
}

void pairmap_release(struct pairmap *m)
{
    free(m->slots);
    *m = (struct pairmap){0};
}

/* The slot that holds key, or the free one where it would go. */
static struct pairmap_slot *find(struct pairmap_slot *slots, size_t mask, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing; the high bits are good */
    for (size_t i = (size_t)(h ^ h >> 32) & mask;; i = (i + 1) & mask)
        if (slots[i].value == PAIRMAP_NONE || slots[i].key == key)
            return &slots[i];
}

uint32_t pairmap_get(const struct pairmap *m, uint32_t left, uint32_t right)
{
    return find(m->slots, m->mask, (uint64_t)left << 32 | right)->value;
}

static int grow(struct pairmap *m)
{
    size_t mask = m->mask * 2 + 1;
    struct pairmap_slot *slots = new_slots(mask + 1);
    if (!slots)
        return -1;
    for (size_t i = 0; i <= m->mask; i++)
        if (m->slots[i].value != PAIRMAP_NONE)
            *find(slots, mask, m->slots[i].key) = m->slots[i];
    free(m->slots);
    m->slots = slots;
    m->mask = mask;
    return 0;
}

int pairmap_add(struct pairmap *m, uint32_t left, uint32_t right, uint32_t value, uint32_t *found)
{
    if (m->n > m->mask / 2 && grow(m))
        return -1;
    uint64_t key = (uint64_t)left << 32 | right;
    struct pairmap_slot *s = find(m->slots, m->mask, key);
    if (s->value == PAIRMAP_NONE) {
        *s = (struct pairmap_slot){key, value};
        m->n++;
    }
    *found = s->value;
    return 0;
}
