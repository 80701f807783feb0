/* net.h - the forward pass over whole sequences, for training and for scoring.
 *
 *   x = E[token], or rmsnorm(E[token]) without a scale (dims.embed_norm)
 *   for each block:  gate, value = mixer_up rmsnorm(x, norm1)
 *                    mix = the block's mixer of these and earlier values (mixer.h)
 *                    mid = x + mixer_down (mix * sigmoid(gate))
 *                    n = rmsnorm(mid, norm2)
 *                    x = mid + ffn_down (silu(ffn_gate n) * (ffn_up n))
 *   logits = E rmsnorm(x, final_norm)
 *
 * Work is cut into tiles of NET_TILE token rows. A task carries a tile, or two, through everything
 * that looks at one row only: from the mixer of block l to the gate and value of block l+1. The
 * mixer looks back at earlier rows' values, so there is one barrier a block. Rows may come from
 * many sequences: pos[row] is the row's position in its own, and the mixer looks back no further
 * than that. Each operation of a block is a function of net.c or of a mixer, X_forward;
 * tools/train/grad.c has X_back for it, with the same name and arguments.
 *
 * With `keep`, every block has its own activations, what products and mixers made of the rows,
 * which the backward pass (tools/train) reads; what is computed from them number by number it
 * computes again. Without, the blocks take turns with two sets: a task writes block l+1 while its
 * neighbours still look back at rows of block l. */
#ifndef NET_H
#define NET_H

#include "base/arena.h"
#include "base/pool.h"
#include "dims/dims.h"
#include "kern/kern.h"
#include "model/operand.h"

enum {
    NET_TILE = 64,       /* token rows of a tile; sums over rows are made a tile at a time */
    NET_TASK_MOST = 128, /* token rows of a task of blocks, at most */
    NET_HEAD_TILE = 32,  /* token rows of one task of the head that scores */
    NET_HEAD_LEAST = 96, /* and of one that trains, if that gives each worker a task, ... */
    NET_HEAD_MOST = 256, /* and at most: the head's weights, which fit no second cache, are read
                            once for all rows of a task */
    NET_HEAD_ROWS =
        512 /* token rows whose logits are held at a time; twice as many for a large batch, or for a
               smaller one with a small vocabulary, to have enough tasks for many threads */
};

/* The ternary layers of a block, in the order of net.alpha and net_block.linear. */
enum net_layer {
    NET_MIXER_UP, /* gate, then value */
    NET_MIXER_DOWN,
    NET_FFN_GATE,
    NET_FFN_UP,
    NET_FFN_DOWN,
    NET_QUERY_KEY, /* of attention; n_out is 0 in the other blocks */
    NET_N_LAYERS
};
extern const enum tensor_kind net_layer_kind[NET_N_LAYERS];

/* Dense weights of one linear layer, W [out][in], quantised where ternary. */
struct net_linear {
    size_t n_out;
    size_t n_in;
    uint32_t *packed; /* W transposed in panels (kern.h pack): B operand of the forward product */
    const uint32_t *columns; /* W as cells by columns: B operand of the input gradient; NULL unless
                                keep */
    uint32_t *own_columns;   /* where columns points; NULL for f32 weights that are parameters */
};

/* Activations of one block over all rows, named as in the formula. */
struct net_acts {
    float *x;          /* [rows][D] input of the block */
    float *gate_value; /* [rows][2D]: gate, then value */
    float *query_key;  /* [rows][2 heads key_width]; NULL without attention */
    float *mix;        /* [rows][D] */
    float *mid;        /* [rows][D] x after the mixer */
    float *ffn_gate;   /* [rows][H] */
    float *ffn_up;     /* [rows][H] */
};

struct net_block {
    const float *norm1;
    const float *norm2;
    float *taps;   /* of a convolution: [K][D], the last for the row itself */
    float *biases; /* of attention: [heads][attend_turned] as attend.h has them */
    struct net_linear linear[NET_N_LAYERS];
    struct net_acts acts;
};

struct attend;

struct net {
    struct dims dims;
    const struct kern *kern;
    size_t max_rows;
    size_t task_rows; /* token rows of a task of blocks: one tile or more */
    bool keep;
    const float *params;     /* [dims_n_floats] as given to net_load */
    const float *embed;      /* E [V][D] */
    const float *final_norm; /* [D] */
    float *ones;             /* [D] scale of a norm that has none; with embed_norm */
    float *rstd_embed;       /* [rows] of it */
    struct net_linear head;  /* E */
    struct net_block block[DIMS_MAX_BLOCKS];
    float alpha[DIMS_MAX_BLOCKS][NET_N_LAYERS]; /* absmean, after net_load */
    float *x_final;                             /* [rows][D] output of the last block */
    float *rstd_final;                          /* [rows] */
    struct operand hidden; /* [rows][D] rmsnorm(x_final, final_norm), what the head reads: floats */
    size_t head_rows;      /* token rows of a chunk: NET_HEAD_ROWS or twice as many */
    size_t head_tile;      /* token rows of a task that trains: a multiple of 8, <= NET_HEAD_MOST */
    size_t head_block; /* columns of their logits at a time, which stay in the second cache between
                          the products that write and read them: a multiple of KERN_SUM_COLUMNS */
    struct operand logits;               /* [min(max_rows, head_rows)][V], of one chunk of rows */
    struct attend *attend;               /* [n_workers]; NULL without attention */
    struct operand_scratch scratch;      /* of blocks: a task's rows */
    struct operand_scratch head_scratch; /* of the head: a task's rows */
};

/* Lays out everything for up to max_rows token rows, run by at most n_workers threads, in the arena
 * (measuring or mapped). */
void net_init(struct net *n, const struct dims *d, size_t max_rows, bool keep, const struct kern *k,
              int n_workers, struct arena *a);

/* Prepares the weights for a forward pass: quantises the linear layers (absmean, tern.h) unless
 * `ternary` says they are alpha * {-1,0,1} already, packs them. Keeps a pointer to params. */
void net_load(struct net *n, struct pool *p, const float *params, bool ternary);

/* Runs rows of tokens[rows] at positions pos[rows] (0 begins a sequence; pos[r] > 0 implies
 * pos[r-1] = pos[r] - 1); leaves n->hidden. rows <= max_rows, every token < V. */
void net_forward(struct net *n, struct pool *p, const uint16_t *tokens, const uint32_t *pos,
                 size_t rows);

/* nll[r] = -log softmax(E hidden[r])[target[r]] in nats, after net_forward of the same rows. */
void net_nll(struct net *n, struct pool *p, const uint16_t *targets, size_t rows, float *nll);

/* How many weights of a block's ternary layers were 0 in the last net_load; *of: out of how many.
 * Of a net that keeps. */
size_t net_zeros(const struct net *n, int block, size_t *of);

/* y = rmsnorm(x, scale) for the rows of a span; rstd [s.count]: 1 / sqrt(mean(x^2) + eps). */
void net_norm(const struct net *n, const float *x, const float *scale, struct span s, size_t worker,
              const struct operand *y, float *rstd);

/* Logits of rows [first, first + count) after net_forward: out [count][V], by one worker. */
void net_logits(const struct net *n, size_t first, size_t count, size_t worker, float *out);

#endif
