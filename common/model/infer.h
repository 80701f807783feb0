/* infer.h - running a model: tokens in, logits out, at a constant cost a token.
 *
 * Three things, so that many threads can share one model: the weights, laid out for a kernel table
 * and a kind of arithmetic, which are read-only; a stream for every story being read or told, which
 * holds what its mixers need of earlier tokens (mixer.h), a fixed number of vectors a block; and a
 * workspace for every thread, which takes rows - a token each - of one or many streams at a time.
 *
 * Both kinds of arithmetic are exact in the sense of kern/exact.h: a stream's logits are the same
 * bits on every level, in every grouping of rows and in every thread.
 *
 *   exact  float activations: the ternary layers only add and subtract them and multiply by alpha
 *          once an output; the head multiplies by the embedding as it is stored.
 *   int8   the inputs of linear layers and of the head are rounded to 8 bits a row (absmax), and so
 * are the embedding's rows in the head, unless they are stored so; before that, its columns are
 * scaled to like magnitudes, the factors going into the final norm's scale.
 *
 * Every call saves the thread's floating-point mode, computes in IEEE 754's default (round to
 * nearest, denormals kept) and restores it. */
#ifndef INFER_H
#define INFER_H

#include "base/arena.h"
#include "base/pool.h"
#include "model/model.h"

struct infer_matrix {
    const void *packed; /* as kern->exact wants it */
    size_t rows;
    size_t cols;
    float alpha;
};

struct infer_block {
    struct infer_matrix mixer_gate;  /* [D][D] the upper half of mixer.up */
    struct infer_matrix mixer_value; /* [D][D] the lower half */
    struct infer_matrix mixer_down;  /* [D][D] */
    struct infer_matrix ffn_gate;    /* [H][D] */
    struct infer_matrix ffn_up;      /* [H][D] */
    struct infer_matrix ffn_down;    /* [D][H] */
    struct infer_matrix query_key;   /* [2 heads key_width][D]; of attention, as biases */
    const float *taps;               /* [K][D]; of a convolution */
    const float *biases;             /* [heads][window] of the scores, the farthest first */
};

/* Weights ready to run. */
struct infer_weights {
    const struct model *model;
    const struct kern *kern;
    enum model_math math; /* not MODEL_F32 */
    struct infer_block block[DIMS_MAX_BLOCKS];
    const void *head;         /* E [V][D], packed */
    const float *head_scales; /* [V]; NULL if the head has none */
    const float *ones;        /* [D] with embed_norm: the scale of a norm that has none */
    const float *final_norm;  /* [D] the model's, in int8 divided by the factors of E's columns */
    struct arena arena;       /* what the pointers point into */
};

/* Packs the weights of m, which like k must outlive w, into a block from `memory`. About 2.6 MB for
 * --small in int8. */
MUST_USE int infer_weights_init(struct infer_weights *w, const struct model *m,
                                const struct kern *k, enum model_math math,
                                const struct memory *memory, struct err *e);
void infer_weights_release(struct infer_weights *w); /* safe on a zeroed struct */

/* What evens out the columns of the embedding E for rounding. That is best if the numbers of a row
 * are of like size, but trained embeddings have a few columns far larger than all others. Where
 * column c of E is large beside what meets it - which the final norm makes about sf[c] - a factor
 * goes from E to sf: E[v][c] f and sf[c] / f, with f = (|sf[c]| / rms(E[.][c]))^(1/4), within 1/256
 * and 256. That evens out both and leaves their product as it was. */
double infer_column_factor(float norm, double rms);

/* A story. */
struct infer_stream {
    uint64_t position;             /* tokens read since the reset */
    float *state[DIMS_MAX_BLOCKS]; /* of each block's mixer, as it lays it out */
};

/* Lays out memory in the arena (measuring or mapped) and forgets everything. */
void infer_stream_init(struct infer_stream *s, const struct dims *d, struct arena *a);

/* Forgets everything: the next token is the first. */
void infer_stream_reset(struct infer_stream *s);

/* A token of a stream. */
struct infer_row {
    struct infer_stream *stream;
    uint16_t token; /* < V */
};

/* A workspace: used by one thread at a time. Activations are [max_rows][D] or [max_rows][H]. */
struct infer {
    const struct infer_weights *weights;
    size_t max_rows;
    float *x;      /* the residual stream */
    float *hidden; /* [max_rows][D] rmsnorm(x, final_norm), what the head reads; after infer_feed */
    float *norm;
    float *mixer_gate;
    float *mixer_value;
    float *query_key;    /* [max_rows][2 heads key_width]; of no length without attention */
    float *weights_room; /* [window] of the attention of a row */
    float *mixed;        /* what the mixer makes of the values, then times sigmoid(gate) */
    float *ffn_gate;     /* [max_rows][H] */
    float *ffn_up;       /* [max_rows][H] */
    uint64_t *position;  /* [max_rows] of every row in its stream */
    int8_t *q;           /* [max_rows][q_stride] activations rounded to int8 */
    size_t q_stride;
    struct kern_int8_row *q_row; /* [max_rows] */
    bool backwards;              /* the order in which the next head reads its weights */
};

/* Rows of one infer_feed beyond which more gain nothing. */
enum { INFER_ROWS = 32 };

/* Lays out memory for up to max_rows (>= 1) rows at a time in the arena. */
void infer_init(struct infer *f, const struct infer_weights *w, size_t max_rows, struct arena *a);

/* Feeds 1 <= n <= max_rows rows, each to its stream. The rows of one stream stand in their order;
 * what stands between them does not matter. Leaves f->hidden. */
void infer_feed(struct infer *f, const struct infer_row *rows, size_t n);

/* After infer_feed: logits [n][V] of rows [first, first + n), n >= 1. */
void infer_head(struct infer *f, size_t first, size_t n, float *logits);

/* The same, with the vocabulary split among the threads of a pool (NULL: the caller alone). Worth
 * it for a single stream. */
void infer_head_split(struct infer *f, struct pool *p, size_t first, size_t n, float *logits);

/* ---- many threads ---------------------------------------------------------------------------- */

/* Workspaces of the threads of a pool, which read a long prompt together. Chunks of its tokens go
 * through the blocks one after the other: in each round, a chunk is in one block, the next chunk
 * in the block before, and these are the tasks of the threads. So a block meets the tokens in their
 * order, and no more than `blocks` threads have work. */
struct infer_readers {
    struct pool *pool;          /* NULL: the caller alone */
    struct infer *workers;      /* [threads] */
    struct infer_chunk *chunks; /* [blocks] on their way */
};

/* Lays out memory in the arena. */
void infer_readers_init(struct infer_readers *r, const struct infer_weights *w, struct pool *p,
                        struct arena *a);

/* Reads n >= 1 tokens and leaves f->hidden of the last in its row 0. Bits are those of infer_feed,
 * for any number of threads. */
void infer_read(struct infer_readers *r, struct infer *f, struct infer_stream *s,
                const uint16_t *tokens, size_t n);

/* ---- one stream ------------------------------------------------------------------------------ */

/* One token of one stream: feed and head. */
void infer_token(struct infer *f, struct infer_stream *s, uint16_t token, float *logits);

/* Reads n >= 1 tokens, the logits [V] being those after the last. */
void infer_prompt(struct infer *f, struct infer_stream *s, const uint16_t *tokens, size_t n,
                  float *logits);

#endif
