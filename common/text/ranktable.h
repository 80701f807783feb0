/* ranktable.h - ranks of merges by their pairs of symbols, faster than merges.h: a lookup reads two
 * places and has no branch to predict (cuckoo hashing: Pagh and Rodler 2004). For vocabularies
 * whose text is merged beyond words, which no cache holds. */
#ifndef RANKTABLE_H
#define RANKTABLE_H

#include "text/merges.h"

struct ranktable {
    uint64_t *slots; /* left, right and rank in 21 bits each; RANKTABLE_FREE */
    unsigned shift;  /* 64 - log2 of their number */
};

#define RANKTABLE_FREE UINT64_MAX

/* Builds the table of m's merges. False, with slots NULL, if the pairs do not fit or memory runs
 * out: the caller then does without a table. */
bool ranktable_init(struct ranktable *t, const struct merges *m, uint32_t n_merges);
void ranktable_release(struct ranktable *t); /* safe on a zeroed table */

static inline uint64_t ranktable_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 21 | right;
}

/* Two hashes whose upper bits are good (Fibonacci hashing). */
static inline size_t ranktable_place(const struct ranktable *t, uint64_t key, int which)
{
    uint64_t factor = which ? UINT64_C(0xbf58476d1ce4e5b9) : UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key * factor >> t->shift);
}

/* Rank of the merge of two symbols, or MERGES_NONE. */
static inline uint32_t ranktable_get(const struct ranktable *t, uint32_t left, uint32_t right)
{
    uint64_t key = ranktable_key(left, right);
    uint64_t a = t->slots[ranktable_place(t, key, 0)];
    uint64_t b = t->slots[ranktable_place(t, key, 1)];
    uint32_t rank = a >> 21 == key ? (uint32_t)a & 0x1fffff : MERGES_NONE;
    return b >> 21 == key ? (uint32_t)b & 0x1fffff : rank;
}

#endif
