#include "text/merges.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of all symbols there can be: 256 single ones, and one result a merge. */
static int allocate(struct merges *m, const struct vocab *v)
{
    size_t n_bytes = 256;
    for (uint32_t i = 0; i < v->n_merges; i++)
        n_bytes += (size_t)v->merges[i].left.n + v->merges[i].right.n;
    size_t n_symbols = 256 + (size_t)v->n_merges;
    m->storage = malloc(n_bytes);
    m->symbols = calloc(n_symbols, sizeof *m->symbols);
    m->pairs = calloc(n_symbols, sizeof *m->pairs);
    return m->storage && m->symbols && m->pairs && !pairmap_init(&m->ranks, v->n_merges) &&
                   !bytemap_init(&m->by_bytes, n_symbols)
               ? 0
               : -1;
}

static void add_symbol(struct merges *m, struct vocab_bytes bytes)
{
    (void)bytemap_add(&m->by_bytes, bytes, m->n_symbols);
    m->symbols[m->n_symbols++] = bytes;
}

static int find_part(const struct merges *m, struct vocab_bytes part, uint32_t rank,
                     const char *side, uint32_t *symbol, const char *name, struct err *e)
{
    if (!part.n)
        return err_set(e, "%s: the %s part of merge %u is empty", name, side, rank);
    *symbol = bytemap_get(&m->by_bytes, part);
    if (*symbol == BYTEMAP_NONE)
        return err_set(
            e, "%s: the %s part of merge %u is neither a byte nor an earlier merge's result", name,
            side, rank);
    return 0;
}

/* Joins the two parts at `at`, where the symbol stays if it is new; *used gets its bytes then, else
 * 0. */
static int add_merge(struct merges *m, const struct vocab_merge *merge, uint32_t rank,
                     unsigned char *at, size_t *used, const char *name, struct err *e)
{
    struct merges_pair *p = &m->pairs[rank];
    if (find_part(m, merge->left, rank, "left", &p->left, name, e) ||
        find_part(m, merge->right, rank, "right", &p->right, name, e))
        return -1;
    struct vocab_bytes joined = {at, merge->left.n + merge->right.n};
    if (joined.n > VOCAB_MAX_TOKEN_BYTES)
        return err_set(e, "%s: merge %u makes a token of %u bytes (at most %d)", name, rank,
                       joined.n, VOCAB_MAX_TOKEN_BYTES);
    memcpy(at, merge->left.data, merge->left.n);
    memcpy(at + merge->left.n, merge->right.data, merge->right.n);
    uint32_t found;
    if (pairmap_add(&m->ranks, p->left, p->right, rank, &found))
        return err_set(e, "%s: out of memory for %u merges", name, rank);
    if (found != rank)
        return err_set(e, "%s: merge %u repeats merge %u", name, rank, found);
    p->result = bytemap_get(&m->by_bytes, joined);
    *used = 0;
    if (p->result == BYTEMAP_NONE) {
        p->result = m->n_symbols;
        add_symbol(m, joined);
        *used = joined.n;
    }
    return 0;
}

int merges_init(struct merges *m, const struct vocab *v, const char *name, struct err *e)
{
    *m = (struct merges){0};
    if (v->n_merges > VOCAB_MAX_MERGES)
        return err_set(e, "%s: too many merges (found %u, at most %d)", name, v->n_merges,
                       VOCAB_MAX_MERGES);
    if (allocate(m, v)) {
        merges_release(m);
        return err_set(e, "%s: out of memory for %u merges", name, v->n_merges);
    }
    for (uint32_t b = 0; b < 256; b++) {
        m->storage[b] = (unsigned char)b;
        add_symbol(m, (struct vocab_bytes){m->storage + b, 1});
    }
    size_t used = 256;
    for (uint32_t rank = 0; rank < v->n_merges; rank++) {
        size_t more = 0;
        if (add_merge(m, &v->merges[rank], rank, m->storage + used, &more, name, e)) {
            merges_release(m);
            return -1;
        }
        used += more;
    }
    return 0;
}

void merges_release(struct merges *m)
{
    free(m->symbols);
    free(m->pairs);
    free(m->storage);
    pairmap_release(&m->ranks);
    bytemap_release(&m->by_bytes);
    *m = (struct merges){0};
}
