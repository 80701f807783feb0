/* merges.h - the merges of a vocabulary as a table of symbols, checked. For vocab.c,
 * tokenizer.c and the writer of blobs.
 *
 * Symbols 0..255 are the bytes; every merge that makes a byte string not met before adds one.
 * Opening a model builds this table, so it is laid out for that: what only building needs can be
 * dropped, and what stays is small. */
#ifndef MERGES_H
#define MERGES_H

#include "text/bytemap.h"

#define MERGES_NONE UINT32_MAX

struct merges_pair {
    uint32_t left, right, result; /* symbols */
};

struct merges {
    uint32_t n_symbols;
    struct merges_pair *pairs; /* [n_merges], index = rank */
    uint32_t *ranks;           /* hash table of pairs; 0: free */
    size_t rank_mask;

    /* until merges_drop_bytes */
    struct vocab_bytes *symbols; /* [n_symbols]; they lie in the vocabulary or in storage */
    struct bytemap by_bytes;     /* bytes -> symbol */
    unsigned char *storage;
};

/* Builds the table. Errors, beginning with `name`: too many merges; an empty part, one that is
 * neither a byte nor an earlier merge's result; in v->sides, a merge that is not the first to make
 * its bytes; a result of more than VOCAB_MAX_TOKEN_BYTES; a merge given twice; out of memory. v's
 * bytes must outlive m's. merges_release at the end, not on failure. */
MUST_USE int merges_init(struct merges *m, const struct vocab *v, const char *name, struct err *e);
void merges_release(struct merges *m); /* safe on a zeroed table */

/* Frees symbols, by_bytes and storage. */
void merges_drop_bytes(struct merges *m);

/* Rank of the merge of two symbols, or MERGES_NONE. */
uint32_t merges_rank(const struct merges *m, uint32_t left, uint32_t right);

/* vocab_check, which keeps the merges it builds on the way. merges_release at the end, not on
 * failure. */
MUST_USE int vocab_check_merges(const struct vocab *v, struct merges *m, const char *name,
                                struct err *e);

#endif
