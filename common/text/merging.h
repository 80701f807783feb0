/* merging.h - the merges of a vocabulary run on a sequence of symbols. */
#ifndef MERGING_H
#define MERGING_H

#include "text/ranktable.h"

/* A few symbols are merged in place; n of them in MERGING_BYTES * n bytes, in O(n log n). */
enum { MERGING_FEW = 40, MERGING_BYTES = 3 * sizeof(uint64_t) + 3 * sizeof(uint32_t) };

struct merging {
    uint32_t *symbols; /* [n] */
    size_t n;
    void *memory; /* owned; NULL where there was room */
    uint32_t few[MERGING_FEW];
};

/* Room for a sequence of n symbols, which the caller writes to g->symbols; room[0..room_bytes) is
 * used for it if that is enough (room may be NULL). -1 when out of memory, which can happen nowhere
 * else here; otherwise merging_end at the end. */
MUST_USE int merging_begin(struct merging *g, size_t n, void *room, size_t room_bytes);

struct merging_by {
    const struct merges *merges;
    const struct ranktable *table; /* the same, faster; or NULL */
    uint32_t end;                  /* of the ranks to merge by */
};

/* Repeatedly joins the two neighbours whose merge has the lowest rank, the leftmost of equals, as
 * long as one has a rank below by->end. symbols and n are the result. */
void merging_run(struct merging *g, const struct merging_by *by);
void merging_end(struct merging *g);

#endif
