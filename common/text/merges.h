/* merges.h - the merges of a vocabulary as a table of symbols, checked. For vocab.c and
 * tokenizer.c.
 *
 * Symbols 0..255 are the bytes; every merge that makes a byte string not met before adds one. */
#ifndef MERGES_H
#define MERGES_H

#include "text/bytemap.h"
#include "text/pairmap.h"

struct merges_pair {
    uint32_t left, right, result; /* symbols */
};

struct merges {
    uint32_t n_symbols;
    struct vocab_bytes *symbols; /* [n_symbols] */
    struct merges_pair *pairs;   /* [n_merges], index = rank */
    struct pairmap ranks;        /* (left, right) -> rank */
    struct bytemap by_bytes;     /* bytes -> symbol */
    unsigned char *storage;
};

/* Builds the table. Errors, beginning with `name`: too many merges; an empty part, one that is
 * neither a byte nor an earlier merge's result; a result of more than VOCAB_MAX_TOKEN_BYTES; a
 * merge given twice; out of memory. The symbols' bytes are m's own. merges_release at the end, not
 * on failure. */
MUST_USE int merges_init(struct merges *m, const struct vocab *v, const char *name, struct err *e);
void merges_release(struct merges *m); /* safe on a zeroed table */

#endif
