#include "text/merges.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 8 }; /* merges whose look-ups are under way */

/* A slot of the table of ranks: used, some bits of the hash, the rank. Few pairs that differ share
 * those bits, so the pair itself is looked at about once. */
#define SLOT_USED UINT32_C(0x80000000)
#define SLOT_RANK UINT32_C(0x000fffff)
#define SLOT_TAG (~(SLOT_USED | SLOT_RANK))
_Static_assert(VOCAB_MAX_MERGES - 1 <= SLOT_RANK, "ranks fit a slot");

/* True if the two sides are adjacent in memory, as in a blob: then what they make
 * stands there already. */
static bool is_joined(const struct vocab_merge *merge)
{
    return merge->left.data + merge->left.n == merge->right.data;
}

/* Bytes that need a place of their own: 256 single ones, and results not standing in v. */
static size_t storage_bytes(const struct vocab *v)
{
    size_t n = 256;
    for (uint32_t i = 0; i < v->n_merges; i++)
        if (!is_joined(&v->merges[i]))
            n += (size_t)v->merges[i].left.n + v->merges[i].right.n;
    return n;
}

static int allocate(struct merges *m, const struct vocab *v)
{
    size_t n_symbols = 256 + (size_t)v->n_merges;
    size_t n_slots = 16;
    while (n_slots < (size_t)v->n_merges + v->n_merges / 2)
        n_slots *= 2;
    m->rank_mask = n_slots - 1;
    m->storage = malloc(storage_bytes(v));
    m->symbols = calloc(n_symbols, sizeof *m->symbols);
    m->pairs = malloc(n_symbols * sizeof *m->pairs);
    m->ranks = calloc(n_slots, sizeof *m->ranks);
    return m->storage && m->symbols && m->pairs && m->ranks &&
                   !bytemap_init(&m->by_bytes, n_symbols, m->symbols, sizeof *m->symbols)
               ? 0
               : -1;
}

static void add_symbol(struct merges *m, struct vocab_bytes bytes)
{
    m->symbols[m->n_symbols] = bytes;
    (void)bytemap_add(&m->by_bytes, bytes, m->n_symbols);
    m->n_symbols++;
}

/* The slot of a pair, or the free one where it would go; *tag gets the bits to put there. */
static uint32_t *find_slot(const struct merges *m, uint32_t left, uint32_t right, uint32_t *tag)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    *tag = SLOT_USED | ((uint32_t)(h >> 32) & SLOT_TAG);
    for (size_t i = (size_t)(h ^ h >> 32) & m->rank_mask;; i = (i + 1) & m->rank_mask) {
        uint32_t slot = m->ranks[i];
        if (!slot)
            return &m->ranks[i];
        if ((slot & ~SLOT_RANK) != *tag)
            continue;
        const struct merges_pair *p = &m->pairs[slot & SLOT_RANK];
        if (p->left == left && p->right == right)
            return &m->ranks[i];
    }
}

uint32_t merges_rank(const struct merges *m, uint32_t left, uint32_t right)
{
    uint32_t tag;
    uint32_t slot = *find_slot(m, left, right, &tag);
    return slot ? slot & SLOT_RANK : MERGES_NONE;
}

static int find_part(const struct merges *m, struct vocab_bytes part, uint32_t rank,
                     const char *side, uint32_t *symbol, const char *name, struct err *e)
{
    if (!part.n)
        return err_set(e, "%s: the %s part of merge %u is empty", name, side, rank);
    *symbol = part.n == 1 ? part.data[0] : bytemap_get(&m->by_bytes, part);
    if (*symbol == BYTEMAP_NONE)
        return err_set(
            e, "%s: the %s part of merge %u is neither a byte nor an earlier merge's result", name,
            side, rank);
    return 0;
}

/* The same for a part given as a number. What the first merge to make some bytes has made stands
 * where the symbol stands. */
static int number_symbol(const struct merges *m, const struct vocab *v, uint32_t number,
                         uint32_t rank, const char *side, uint32_t *symbol, const char *name,
                         struct err *e)
{
    *symbol = number;
    if (number < 256)
        return 0;
    *symbol = m->pairs[number - 256].result;
    if (m->symbols[*symbol].data == v->merges[number - 256].left.data)
        return 0;
    uint32_t first = 0;
    while (m->pairs[first].result != *symbol)
        first++;
    return err_set(e, "%s: the %s part of merge %u is number %u (expected %u, the same bytes)",
                   name, side, rank, number, 256 + first);
}

static int find_parts(const struct merges *m, const struct vocab *v, uint32_t rank,
                      struct merges_pair *p, const char *name, struct err *e)
{
    const struct vocab_merge *merge = &v->merges[rank];
    if (!v->sides)
        return find_part(m, merge->left, rank, "left", &p->left, name, e) ||
                       find_part(m, merge->right, rank, "right", &p->right, name, e)
                   ? -1
                   : 0;
    const struct vocab_sides *s = &v->sides[rank];
    return number_symbol(m, v, s->left, rank, "left", &p->left, name, e) ||
                   number_symbol(m, v, s->right, rank, "right", &p->right, name, e)
               ? -1
               : 0;
}

/* Joins the two parts, at `at` if they do not stand together, where the symbol stays if it is new;
 * *used gets its bytes then, else 0. */
static int add_merge(struct merges *m, const struct vocab *v, uint32_t rank, unsigned char *at,
                     size_t *used, const char *name, struct err *e)
{
    const struct vocab_merge *merge = &v->merges[rank];
    struct merges_pair *p = &m->pairs[rank];
    if (find_parts(m, v, rank, p, name, e))
        return -1;
    struct vocab_bytes joined = {merge->left.data, merge->left.n + merge->right.n};
    if (joined.n > VOCAB_MAX_TOKEN_BYTES)
        return err_set(e, "%s: merge %u makes a token of %u bytes (at most %d)", name, rank,
                       joined.n, VOCAB_MAX_TOKEN_BYTES);
    if (!is_joined(merge)) {
        memcpy(at, merge->left.data, merge->left.n);
        memcpy(at + merge->left.n, merge->right.data, merge->right.n);
        joined.data = at;
    }
    uint32_t tag;
    uint32_t *slot = find_slot(m, p->left, p->right, &tag);
    if (*slot)
        return err_set(e, "%s: merge %u repeats merge %u", name, rank, *slot & SLOT_RANK);
    *slot = tag | rank;
    m->symbols[m->n_symbols] = joined;
    p->result = bytemap_add(&m->by_bytes, joined, m->n_symbols);
    *used = 0;
    if (p->result == BYTEMAP_NONE) {
        p->result = m->n_symbols++;
        *used = joined.data == at ? joined.n : 0;
    }
    return 0;
}

/* The table is larger than the caches near the processor, and its slots are asked for in no order.
 */
static void prefetch(const struct merges *m, const struct vocab *v, uint32_t rank)
{
    if (rank >= v->n_merges)
        return;
    const struct vocab_merge *merge = &v->merges[rank];
    if (!v->sides && merge->left.n > 1)
        bytemap_prefetch(&m->by_bytes, merge->left);
    if (!v->sides && merge->right.n > 1)
        bytemap_prefetch(&m->by_bytes, merge->right);
    if (is_joined(merge) && merge->left.n + merge->right.n <= VOCAB_MAX_TOKEN_BYTES)
        bytemap_prefetch(&m->by_bytes,
                         (struct vocab_bytes){merge->left.data, merge->left.n + merge->right.n});
}

int merges_init(struct merges *m, const struct vocab *v, const char *name, struct err *e)
{
    *m = (struct merges){0};
    if (v->n_merges > VOCAB_MAX_MERGES)
        return err_set(e, "%s: too many merges (found %u, at most %d)", name, v->n_merges,
                       VOCAB_MAX_MERGES);
    if (allocate(m, v)) {
        merges_release(m);
        return err_memory(e, "%s: out of memory for %u merges", name, v->n_merges);
    }
    for (uint32_t b = 0; b < 256; b++) {
        m->storage[b] = (unsigned char)b;
        add_symbol(m, (struct vocab_bytes){m->storage + b, 1});
    }
    size_t used = 256;
    for (uint32_t rank = 0; rank < v->n_merges; rank++) {
        size_t more = 0;
        prefetch(m, v, rank + AHEAD);
        if (add_merge(m, v, rank, m->storage + used, &more, name, e)) {
            merges_release(m);
            return -1;
        }
        used += more;
    }
    return 0;
}

void merges_drop_bytes(struct merges *m)
{
    free(m->symbols);
    free(m->storage);
    bytemap_release(&m->by_bytes);
    m->symbols = NULL;
    m->storage = NULL;
}

void merges_release(struct merges *m)
{
    merges_drop_bytes(m);
    free(m->pairs);
    free(m->ranks);
    *m = (struct merges){0};
}
