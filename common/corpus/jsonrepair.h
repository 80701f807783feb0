/* jsonrepair.h - lets what is almost JSON pass a parser that accepts only JSON.
 *
 * Outside of strings, NaN, Infinity and -Infinity (which Python writes) become null, and byte-order
 * marks (where files were joined) are dropped. Within strings, the escape of half a surrogate pair
 * becomes the byte 0xff, which is invalid, too, so that normalising the story replaces and counts
 * it as in any other text. All else passes unchanged, block by block, copied only where it is
 * repaired. */
#ifndef JSONREPAIR_H
#define JSONREPAIR_H

#include "base/err.h"

enum { JSONREPAIR_CARRY = 12 }; /* longest sequence that may need repair: two escapes */

struct jsonrepair {               /* zero-initialise */
    bool quoted;                  /* within a string */
    size_t n_quoted;              /* bytes of it so far */
    char carry[JSONREPAIR_CARRY]; /* the start of a sequence that goes on in the next block */
    size_t n_carry;
    char *joined; /* owned: carry and block */
    size_t joined_capacity;
    char *out; /* owned: the repaired block */
    size_t out_capacity;
};

/* The next block, repaired, at *out, good until the next call. `last` after the last block: what is
 * carried comes out as it is. */
MUST_USE int jsonrepair_next(struct jsonrepair *r, const char *data, size_t n, bool last,
                             const char **out, size_t *n_out, struct err *e);
void jsonrepair_release(struct jsonrepair *r);

#endif
