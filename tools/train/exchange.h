/* exchange.h - what ranks send each other in a step.
 *
 * Each has the sum of its own micro-batches, a subtree of the step's (sums.h). Of every slice the
 * owner (slices.h) gets what the other ranks have and adds all up as the tree has it, which gives
 * the bits of one process; MPI's own sums would not. It steps its slices, and then every rank gets
 * the weights as training uses them: of ternary matrices codes and scale, else floats. Master
 * weights and the optimiser's arrays stay with their owner, but for exchange_gather.
 *
 * Messages of a block are sent when the backward pass has finished it, and travel while it goes on.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "kern/kern.h"
#include "ranks/ranks.h"
#include "train/optim.h"
#include "train/slices.h"

enum { EXCHANGE_MAX_RANKS = 1024 };

/* A piece of the gradient's norm whose floats have many owners: this part goes to one of them. */
struct exchange_halo {
    size_t first, n;
    int from, to;
};

struct exchange {
    struct ranks *ranks;
    const struct kern *kern;
    struct dims dims;
    struct slices slices;
    size_t own;        /* floats of this rank's slices */
    float *received;   /* [size - 1][own] gradients of the other ranks */
    float *weights;    /* [dims_n_floats] as training uses them: for net_load, as ternary */
    size_t *at;        /* [size + 1] where each rank's weights begin in `packed` */
    uint8_t *packed;   /* as they are sent */
    size_t *packed_at; /* [n_tensors] where a tensor stands there; of the embedding: unused */
    struct exchange_halo *halo; /* [n_halos] */
    size_t n_halos;
    bool *counts; /* [pieces of the norm] those whose squares this rank adds up */
    double *told; /* [pieces + size] */
};

/* Whether so many ranks can share n micro-batches: all have the same number of them, a power of
 * two, hence whole subtrees. Else an error that says which numbers would do. */
MUST_USE int exchange_check(int n_ranks, uint64_t n, struct err *e);

/* Decides who owns what of a model, for more than one rank, and takes memory for messages.
 * exchange_release at the end. *r stays where it is. */
MUST_USE int exchange_open(struct exchange *x, struct ranks *r, const struct dims *d,
                           struct err *e);
void exchange_release(struct exchange *x); /* also of zeroes */

/* Lays out buffers in the arena. *k stays where it is. */
void exchange_init(struct exchange *x, const struct kern *k, struct arena *a);

/* For exchange_init: what stands where in `packed`. */
size_t exchange_lay_out(struct exchange *x);

/* Begins a step: gradients of others can arrive. */
MUST_USE int exchange_begin(struct exchange *x, struct err *e);

/* The floats of `group` (slices.h) in gradient [dims_n_floats] are done and stay as they are until
 * exchange_sum: they go to their owners. */
MUST_USE int exchange_send(struct exchange *x, const float *gradient, int group, struct err *e);

/* After all groups: the gradient of own slices becomes the sum over all ranks. *loss, this rank's
 * mean over its micro-batches times its share, becomes the sum of all, and *norm the 2-norm of the
 * whole gradient. */
MUST_USE int exchange_sum(struct exchange *x, struct optim *o, struct pool *p, float *gradient,
                          double *loss, double *norm, struct err *e);

/* Everybody's weights, of which params has the master weights of own slices. */
MUST_USE int exchange_weights(struct exchange *x, struct pool *p, const float *params,
                              struct err *e);

/* Rank 0 gets all master weights and arrays of the optimiser; or, the other way, gives them. */
MUST_USE int exchange_gather(struct exchange *x, struct optim *o, float *params, struct err *e);
MUST_USE int exchange_scatter(struct exchange *x, struct optim *o, float *params, struct err *e);

#endif
