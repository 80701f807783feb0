/* pieces.h - training rows from stories, which come in a new order every epoch.
 *
 * A story is cut into pieces of at most T rows. A row is a token to be predicted (the EOS of a
 * story too) and the one before it, which is EOS at a story's beginning. An epoch lays its pieces
 * one after another, in shuffled order: every token stands in one row.
 *
 * What comes depends on the stories, T and generator alone. A piece takes 8 bytes. */
#ifndef PIECES_H
#define PIECES_H

#include "base/arena.h"
#include "base/rng.h"
#include "format/shardset.h"

enum { PIECES_MAX_ROWS = 1 << 16 };

struct pieces {
    const struct shardset *set;
    size_t T;
    uint64_t *order; /* of this epoch, [n]; a piece is its first token * 2^16 + rows - 1 */
    size_t n;
    size_t next;    /* of order, not yet begun */
    uint64_t first; /* of the piece under way: its next token */
    size_t left;    /* and rows; may be 0 */
};

/* Lays out memory. T at most PIECES_MAX_ROWS. */
void pieces_init(struct pieces *p, const struct shardset *s, size_t T, struct arena *a);

/* Begins an epoch over the first n_shards, shuffled by rng, or in the order of the stories where it
 * is NULL, after `n_rows` of its rows. */
void pieces_start(struct pieces *p, struct rng *rng, uint64_t n_rows, size_t n_shards);

/* Rows of the next pieces that are no more than `most` rows together; 0 where the first is longer,
 * or there is none. */
size_t pieces_fit(const struct pieces *p, size_t most);

/* The next n rows; this epoch must still have them. pos counts from 0 in every piece, and in the
 * rest of one that the call before has cut. */
void pieces_take(struct pieces *p, size_t n, uint16_t *tokens, uint16_t *targets, uint32_t *pos);

#endif
