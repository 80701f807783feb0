/* grad.h - loss and gradient of a batch: the backward pass beside model/net's forward one.
 *
 * Straight-through: the gradient of a quantised weight is handed to its float master weight
 * unchanged (Bengio et al. 2013; no mask, none through mean|w|).
 *
 * For each block, last to first, three rounds of tasks:
 *   1. tiles of rows: back through the GLU, the second norm, the mixer's W and its gate;
 *   2. tiles of rows: back through the convolution (which looks at later rows, hence the barrier),
 * U and the first norm;
 *   3. tiles of weights: each weight gradient as one product over all rows, dW = dY^T X, every
 * output tile owned by one task. Sums over rows that are no product (norm scales, taps) are kept by
 * tile and added up in tile order, so the gradient is the same bits for any number of threads. */
#ifndef GRAD_H
#define GRAD_H

#include "model/net.h"
#include "train/loss.h"
#include "train/phases.h"

struct grad {
    struct net *net;
    struct phases phases; /* adds up from call to call; phases_start begins anew */
    float *g;             /* [dims_n_floats] the gradient, summed over grad_batch calls */
    struct loss loss;
    struct operand d_out; /* [rows][D] gradient of a block's output, floats kept */
    struct operand d_in;  /* [rows][D] of its input; the two swap from block to block */
    struct operand d_mid; /* [rows][D] of net_acts.mid, floats kept */
    struct operand d_a;   /* [rows][H] */
    struct operand d_b;   /* [rows][H] */
    struct operand d_gv;  /* [rows][2D], floats kept */
    float *d_conv;        /* [rows][D] */
    float *d_norm;        /* [rows][D] of a norm's output, inside the blocks */
    size_t n_tiles;       /* most tiles of NET_TILE rows a batch can have */
    float *tile_sums;     /* [n_tiles][K+2][D]: taps, then the first and second norm's scale */
};

/* Lays out buffers for the rows of net (which must keep its activations) in the arena. */
void grad_init(struct grad *g, struct net *n, struct arena *a);

/* Forward and backward over rows of tokens and targets; adds to g->g (or overwrites it when
 * `first`) the gradient of `share` times the mean cross-entropy. Returns the mean cross-entropy in
 * nats. net_load must have been called since the weights last changed. */
double grad_batch(struct grad *g, struct pool *p, const uint16_t *tokens, const uint16_t *targets,
                  const uint32_t *pos, size_t rows, float share, bool first);

#endif
