/* slices.h - which rank owns which part of the parameters: it adds up their gradients, steps them
 * and sends them to the others.
 *
 * A tensor of a block is owned whole: the scale of a ternary matrix is a mean over all of it, and
 * Muon multiplies whole matrices. Matrices go to the rank that has least so far, the largest first;
 * a vector goes with the tensor before it. The embedding is cut at multiples of SLICES_CUT so that
 * all ranks come to own about the same. */
#ifndef SLICES_H
#define SLICES_H

#include "dims/dims.h"

enum { SLICES_CUT = 16384 }; /* floats */

/* A stretch of the parameter array, gaps between tensors included, of one owner. */
struct slice {
    size_t first, n; /* floats */
    int owner;
    int group; /* what of the gradient is done at the same time: a block, or L, the rest */
};

/* Part of a tensor, in floats from its beginning. */
struct slices_part {
    size_t first, n;
};

struct slices {
    int n_ranks;
    size_t n_tensors;
    struct slice *slice; /* [n] in the order of the parameter array, all of which they cover */
    size_t n;
    int *owner;    /* [n_tensors] of a tensor that is owned whole */
    size_t *table; /* [n_ranks + 1] of the embedding rank r owns the floats from table[r] to
                      table[r + 1] */
};

/* Decides who owns what of a model among n_ranks; slices_release at the end. */
MUST_USE int slices_init(struct slices *s, const struct dims *d, int n_ranks, struct err *e);
void slices_release(struct slices *s); /* also of zeroes */

/* Floats of the slices of a rank. */
size_t slices_floats(const struct slices *s, int rank);

/* What a rank owns of tensor i; its gap is not counted. */
struct slices_part slices_of(const struct slices *s, const struct tensor *t, size_t i, int rank);

#endif
