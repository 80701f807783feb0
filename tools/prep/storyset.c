#include "prep/storyset.h"

#include <stdlib.h>

static bool is_free(struct hash128 h)
{
    return !h.low && !h.high;
}

/* The slot of a story, or the free one where it belongs. `high` places it: `low` decides what is
 * held out for validation, so it is not evenly spread among the stories that are left. */
static struct hash128 *find(struct hash128 *slots, size_t n_slots, struct hash128 h)
{
    for (size_t i = h.high & (n_slots - 1);; i = (i + 1) & (n_slots - 1))
        if (is_free(slots[i]) || (slots[i].low == h.low && slots[i].high == h.high))
            return &slots[i];
}

static int grow(struct storyset *s, struct err *e)
{
    size_t n_slots = s->n_slots ? 2 * s->n_slots : 4096;
    struct hash128 *slots = calloc(n_slots, sizeof *slots);
    if (!slots)
        return err_memory(e, "out of memory for a set of %zu stories", s->n + 1);
    for (size_t i = 0; i < s->n_slots; i++)
        if (!is_free(s->slots[i]))
            *find(slots, n_slots, s->slots[i]) = s->slots[i];
    free(s->slots);
    s->slots = slots;
    s->n_slots = n_slots;
    return 0;
}

static struct hash128 never_zero(struct hash128 h)
{
    h.low += is_free(h);
    return h;
}

int storyset_add(struct storyset *s, struct hash128 story, bool *is_new, struct err *e)
{
    if (2 * (s->n + 1) > s->n_slots && grow(s, e))
        return -1;
    story = never_zero(story);
    struct hash128 *slot = find(s->slots, s->n_slots, story);
    *is_new = is_free(*slot);
    s->n += *is_new;
    *slot = story;
    return 0;
}

bool storyset_has(const struct storyset *s, struct hash128 story)
{
    return s->n_slots && !is_free(*find(s->slots, s->n_slots, never_zero(story)));
}

void storyset_release(struct storyset *s)
{
    free(s->slots);
    *s = (struct storyset){0};
}
