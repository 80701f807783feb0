#include "text/ranktable.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MOVES = 200 };
_Static_assert(256 + VOCAB_MAX_MERGES < 1 << 21, "symbols and ranks have 21 bits");

/* Puts an entry into one of its places, and what stood there into its other one, and so on. */
static bool put(struct ranktable *t, uint64_t entry)
{
    int which = 0;
    for (int i = 0; i < MOST_MOVES; i++) {
        uint64_t *slot = &t->slots[ranktable_place(t, entry >> 21, which)];
        uint64_t before = *slot;
        *slot = entry;
        if (before == RANKTABLE_FREE)
            return true;
        which = &t->slots[ranktable_place(t, before >> 21, 0)] == slot;
        entry = before;
    }
    return false;
}

bool ranktable_init(struct ranktable *t, const struct merges *m, uint32_t n_merges)
{
    unsigned bits = 4;
    while (UINT64_C(1) << bits < 2 * (uint64_t)n_merges + n_merges / 2)
        bits++;
    *t = (struct ranktable){malloc(sizeof *t->slots << bits), 64 - bits};
    if (!t->slots)
        return false;
    memset(t->slots, 0xff, sizeof *t->slots << bits); /* RANKTABLE_FREE */
    for (uint32_t rank = 0; rank < n_merges; rank++) {
        const struct merges_pair *p = &m->pairs[rank];
        if (put(t, ranktable_key(p->left, p->right) << 21 | rank))
            continue;
        ranktable_release(t);
        return false;
    }
    return true;
}

void ranktable_release(struct ranktable *t)
{
    free(t->slots);
    *t = (struct ranktable){0};
}
