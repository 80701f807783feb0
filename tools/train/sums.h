/* sums.h - the sum of many gradients, one at a time, in an order that does not depend on who made
 * them.
 *
 * Leaves, numbered from 0, are added as a fixed binary tree: the sum of n is the sum of the first p
 * and of the other n - p, p being the largest power of two below n. So the owner of a whole subtree
 * of leaves can add it up alone (another thread, another machine), and the total has the same bits.
 * At any time floor(log2 n) + 1 arrays are enough. One leaf is its own sum, bit for bit. */
#ifndef SUMS_H
#define SUMS_H

#include "base/arena.h"
#include "kern/kern.h"
#include "base/pool.h"

enum { SUMS_MAX_DEPTH = 32 };

/* A subtree that is added up. */
struct sums_part {
    float *x;        /* [n] */
    double loss;     /* a number that goes with it, added in the same order */
    size_t n_leaves; /* a power of two, until sums_total */
};

struct sums {
    size_t n; /* floats of an array */
    size_t depth;
    size_t top;                            /* parts in use */
    struct sums_part part[SUMS_MAX_DEPTH]; /* from the first leaves to the last, ever smaller */
};

/* Lays out zeroed arrays of n floats for up to max_leaves (1 to 2^31) leaves in the arena. */
void sums_init(struct sums *s, size_t n, uint64_t max_leaves, struct arena *a);

/* Begins a sum of no leaves. */
void sums_start(struct sums *s);

/* Where the next leaf is to be written, [n]. It still holds earlier leaves. */
float *sums_leaf(struct sums *s);

/* The leaf is written and belongs to the sum. */
void sums_add(struct sums *s, const struct kern *k, struct pool *p, double loss);

/* Of 2^k leaves, the last of which is not added but written in [first, first + n): the sum of all
 * leaves there, in the same order, at that place of the first part's x. Once this is done for every
 * place, sums_close adds the leaf; nothing else may come between. */
void sums_fold(struct sums *s, const struct kern *k, struct pool *p, size_t first, size_t n);
const struct sums_part *sums_close(struct sums *s, double loss);

/* The sum of all leaves (one at least): valid until the next sums_start. */
const struct sums_part *sums_total(struct sums *s, const struct kern *k, struct pool *p);

#endif
