#include "prep/storyset.h"

#include <stdlib.h>
#include <string.h>

/* Eight bits of the hash choose one of many tables, and 64 stand in it, by open addressing. The
 * tables are nearly full: they grow by an eighth, all at once and within one array, so that hardly
 * more memory is ever held than the stories need. */
enum { FIRST_SLOTS = 16, FEW_SLOTS = 512 };

/* Of the lower half only the last bits: the upper ones decide what is held out for validation, so
 * they are not evenly spread among the stories that are left. */
static size_t table_of(struct hash128 h)
{
    return h.low % STORYSET_TABLES;
}

static uint64_t key_of(struct hash128 h)
{
    return h.high + !h.high;
}

/* The slot of a key in a table of n, or the free one where it belongs. */
static uint64_t *find(uint64_t *table, size_t n, uint64_t key)
{
    for (size_t i = (size_t)((key >> 32) * n >> 32);; i = i + 1 < n ? i + 1 : 0)
        if (!table[i] || table[i] == key)
            return &table[i];
}

/* Tables are moved from the last on: what a table moves to was its own place, or that of tables
 * that have moved. */
static int grow(struct storyset *s, struct err *e)
{
    size_t before = s->n_slots;
    size_t n = MAX(before < FEW_SLOTS ? 2 * before : before + before / 8, (size_t)FIRST_SLOTS);
    uint64_t *old = malloc(n * sizeof *old);
    uint64_t *slots = old ? realloc(s->slots, STORYSET_TABLES * n * sizeof *slots) : NULL;
    if (!slots || n > UINT32_MAX) {
        s->slots = slots ? slots : s->slots;
        free(old);
        return err_memory(e, "out of memory for a set of %zu stories", s->n + 1);
    }
    for (size_t t = STORYSET_TABLES; t-- > 0;) {
        if (before)
            memcpy(old, slots + t * before, before * sizeof *old);
        memset(slots + t * n, 0, n * sizeof *slots);
        for (size_t i = 0; i < before; i++)
            if (old[i])
                *find(slots + t * n, n, old[i]) = old[i];
    }
    free(old);
    s->slots = slots;
    s->n_slots = n;
    return 0;
}

int storyset_add(struct storyset *s, struct hash128 story, bool *is_new, struct err *e)
{
    size_t t = table_of(story);
    if (16 * ((size_t)s->n_used[t] + 1) > 15 * s->n_slots && grow(s, e))
        return -1;
    uint64_t *slot = find(s->slots + t * s->n_slots, s->n_slots, key_of(story));
    *is_new = !*slot;
    *slot = key_of(story);
    s->n_used[t] += *is_new;
    s->n += *is_new;
    return 0;
}

bool storyset_has(const struct storyset *s, struct hash128 story)
{
    size_t t = table_of(story);
    return s->n_slots && *find(s->slots + t * s->n_slots, s->n_slots, key_of(story));
}

void storyset_release(struct storyset *s)
{
    free(s->slots);
    *s = (struct storyset){0};
}
