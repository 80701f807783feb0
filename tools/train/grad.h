/* grad.h - loss and gradient of a batch: the backward pass beside model/net's forward one.
 *
 * Straight-through: the gradient of a quantised weight is passed to its float master weight
 * unchanged (Bengio et al. 2013; no mask, none through mean|w|).
 *
 * A batch goes through in parts of whole sequences, so that activations take the room of a part
 * only, and stay in a cache that holds them. A part is a list of rounds of tasks, run one at a time
 * by grad_round: forward, the head (loss.h), then for each block, last to first,
 *
 *   GRAD_GLU      tasks of rows: back through the feed-forward layer (before that, in the last
 *                 block, the final norm), the mixer's gate, and what of the mixer needs only the
 *                 rows' own gradient
 *   GRAD_MIXER    tasks of rows: back through the rest of the mixer (which looks at later rows,
 *                 hence the barrier) and what comes before it
 *   GRAD_WEIGHTS  tasks of weights: each weight gradient as one product over all rows, dW = dY^T X,
 *                 added to that of the parts before, every output tile owned by one task; and with
 *                 the first block of the last part the embedding as input, of the whole batch,
 *                 every token owned by one task
 *
 * Sums over rows that are no product (norm scales, taps) are kept by tile and added up in tile
 * order. So every number of the gradient is one chain of sums over the rows in their order: the
 * same bits for any number of threads, and for any parts whose rows are a multiple of
 * NET_HEAD_ROWS. */
#ifndef GRAD_H
#define GRAD_H

#include "model/net.h"
#include "train/loss.h"

/* In the order they run; HEAD and EMBED take turns, as do the blocks' three, and the parts. After a
 * block's WEIGHTS of the last part the gradients of its tensors are done, after the first block's
 * those of all. */
enum grad_round {
    GRAD_FORWARD,
    GRAD_HEAD,  /* loss, and gradient of the rows the head reads */
    GRAD_EMBED, /* gradient of the embedding as output head */
    GRAD_GLU,
    GRAD_MIXER,
    GRAD_WEIGHTS,
    GRAD_DONE
};

/* Rows of tokens and what should follow each; pos as net_forward takes it. */
struct grad_batch {
    const uint16_t *tokens;
    const uint16_t *targets;
    const uint32_t *pos;
    size_t rows;
};

struct grad {
    struct net *net;
    struct loss loss;
    struct operand d_out;        /* [rows][D] gradient of a block's output, floats kept */
    struct operand d_in;         /* [rows][D] of its input; the two swap from block to block */
    struct operand d_mid;        /* [rows][D] of net_acts.mid, floats kept */
    struct operand d_ffn_gate;   /* [rows][H] */
    struct operand d_ffn_up;     /* [rows][H] */
    struct operand d_gate_value; /* [rows][2D], floats kept */
    struct operand d_query_key;  /* [rows][2 heads key_width], floats kept; of attention */
    float *d_mix;                /* [rows][D] */
    float *d_norm;               /* [n_workers][task_rows][D] of a norm's output, in a block */
    float *d_ones;               /* [n_workers][D] of the scale that the embedding's norm has not:
                                    not read */
    /* what a block's linear layers read, computed again from its net_acts */
    struct operand norm1;      /* [rows][D] */
    struct operand mixed;      /* [rows][D] mix * sigmoid(gate) */
    struct operand norm2;      /* [rows][D] */
    struct operand ffn_hidden; /* [rows][H] silu(ffn_gate) * ffn_up */
    float *d_first;            /* [max_rows][D] of the first block's input, of the whole batch */
    float *rstd_embed;         /* [max_rows] of the norm before it, if the embedding has one */
    size_t max_rows;           /* of a batch */
    size_t weight_work;        /* weights, about, whose gradient is one task */
    size_t n_tiles;            /* most tiles of NET_TILE rows a part can have */
    float *tile_sums;      /* [n_tiles][sums]: the mixer's, then the scales of both norms and the
                              final one [3][D] */
    size_t sums;           /* floats, those of the mixer that has most of them counted */
    float *tile_keys;      /* of attention, see mixer_attention_back.c; else NULL */
    struct attend *attend; /* [n_workers]; NULL without attention */

    /* the batch under way, since grad_start */
    struct grad_batch batch;
    struct grad_batch part; /* rows of it; all other arrays are of these, unless said */
    size_t first;           /* of the part's rows in the batch */
    double nats;            /* the loss of the parts that are done, summed over their rows */
    float share;
    float *out;           /* [dims_n_floats] */
    enum grad_round next; /* the round to run */
    size_t head_row;      /* first row of the chunk whose HEAD or EMBED it is */
    int block;            /* whose GLU, MIXER or WEIGHTS it is */
};

/* Fewest sequences of T rows that have a multiple of `rows` rows. */
size_t grad_sequences(size_t T, size_t rows);

/* A good size of a part, as max_rows of the net, for batches of `rows` rows in sequences of at most
 * T, on n_workers threads. `whole`: all sequences are T long, and no part has an influence on the
 * bits; else the size does not depend on the threads. */
size_t grad_part_rows(size_t rows, size_t T, bool whole, int n_workers);

/* Lays out buffers for batches of up to max_rows rows, and parts of as many as the net takes (which
 * must keep its activations), run by at most n_workers threads, in the arena. */
void grad_init(struct grad *g, struct net *n, size_t max_rows, int n_workers, struct arena *a);

/* Begins a batch, whose arrays stay in place until it is done. No sequence is longer than a part,
 * which ends where the last sequence does that fits. Once all rounds are run, out
 * [dims_n_floats] is the gradient of `share` times the mean cross-entropy; its gaps are not
 * written. net_load must have been called since the weights last changed. */
void grad_start(struct grad *g, const struct grad_batch *b, float share, float *out);

/* Runs the next round and returns which it was; GRAD_DONE: none was left. */
enum grad_round grad_round(struct grad *g, struct pool *p);

/* Whether that round was of the batch's last part. */
bool grad_in_last_part(const struct grad *g);

/* Mean cross-entropy of a batch that is done, in nats a row. */
double grad_loss(const struct grad *g);

/* For the mixers (mixer_back.h): where a tensor's gradient stands; out[c * stride] = (or, after the
 * first part, +=) sum of sums[c] over n_tiles tiles, `step` floats apart, in their order, for c
 * below D. */
float *grad_of(const struct grad *g, enum tensor_kind kind, int block);
void grad_add_up(const struct grad *g, const float *sums, size_t step, size_t n_tiles, float *out,
                 size_t stride);

/* All of the above: a whole batch with share 1; its mean cross-entropy. */
double grad_whole(struct grad *g, struct pool *p, const struct grad_batch *b, float *out);

#endif
