/* loss.h - the output head of training: cross-entropy and its gradients.
 *
 * The head is 44 % of the work of a small model, and [rows][V] floats would not fit any cache, so
 * a chunk (net.h) of token rows is taken at a time, a tile of it by one task, and of the tile a
 * block of columns: each logit is written, read and multiplied while it is in the second cache. So
 * the largest of a row is not known when its first powers are needed. But a softmax is the same
 * whatever is subtracted, as long as no power overflows: that is the largest of the first
 * KERN_SUM_COLUMNS, a row's level. Where it turns out too low, the tile is done again with the
 * largest of all (an online softmax, Milakov and Gimelshein 2018, which rescales only when it
 * must). With P = e^(logits - level) of a row and sum its sum,
 *
 *   d loss / d logits = scale * (P / sum - onehot(target))
 *
 * and neither the division nor the one-hot touches a whole row of logits. The division is done on
 * the D numbers of the row instead of its V: d hidden = (scale / sum) (P E) - scale E[target], and
 * d E = P^T ((scale / sum) hidden), less scale * hidden at the row of each target.
 */
#ifndef LOSS_H
#define LOSS_H

#include "model/net.h"

/* With `filter` above 0, d_hidden leaves out blocks of the vocabulary whose softmax probabilities
 * are all below it in a few neighbouring rows, as far as is known when they are read (gradient
 * filtering: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models"). nll and
 * the gradient of E stay exact: AdamW normalises small gradients, and rare rows need theirs. */
struct loss {
    struct net *net;
    float filter;           /* 0: exact; else see above */
    size_t embed_rows;      /* vocabulary rows of one task of loss_embed */
    float *nll;             /* [rows] nats, of the last call */
    float *d_hidden;        /* [rows][D] scale * d(sum of nll)/d hidden, of the last call */
    struct operand weighed; /* [rows][D] (scale / sum) hidden */
};

/* Lays out buffers for the rows of net (which must keep its activations), for at most n_workers
 * threads, in the arena. */
void loss_init(struct loss *l, struct net *n, int n_workers, struct arena *a);

/* The rows of a forward pass, of which the head takes a chunk at a time (net.head_rows): those from
 * `first` on. */
struct loss_rows {
    const uint16_t *targets; /* [rows] */
    size_t rows;             /* of all */
    size_t first;            /* of the chunk: 0, head_rows, ... */
    float scale;
    bool add; /* these rows are not the first of d_embed */
};

/* After net_forward: nll and d_hidden of a chunk. */
void loss_hidden(struct loss *l, struct pool *p, const struct loss_rows *r);

/* After loss_hidden of the same chunk: adds its scale * d(sum of nll)/d E to d_embed [V][D],
 * NET_HEAD_ROWS rows after the other; the first ones overwrite, unless r->add. */
void loss_embed(struct loss *l, struct pool *p, const struct loss_rows *r, float *d_embed);

#endif
