/* model.h - a model ready to run: floats as pointers, ternary weights packed 2 bits each. */
#ifndef MODEL_H
#define MODEL_H

#include "base/number.h"
#include "dims/dims.h"
#include "kern/kern.h"

/* How a model is computed: two ways of inference (infer.h), numbered as bolt.h has them, and the
 * dense net's floats (net.h). */
enum model_math { MODEL_INT8, MODEL_EXACT, MODEL_F32 };
extern const char *const model_math_names[4]; /* "int8", "exact", "f32", NULL */

/* A packed ternary matrix, layout as in the blob: row r begins at codes + r * DIV_UP(cols, 4);
 * column c is bits 2*(c%4).. of byte c/4; code 0, 1, 2 means -1, 0, +1. weight = alpha * (code -
 * 1). */
struct model_tern {
    const uint8_t *codes;
    size_t rows;
    size_t cols;
    float alpha;
};

struct model_block {
    const float *norm1;           /* [D] */
    struct model_tern mixer_up;   /* [2D][D], rows 0..D-1 gate, D..2D-1 value */
    const float *taps;            /* [D][K], the last for the token itself; of a convolution */
    struct model_tern query_key;  /* [2 heads key_width][D], queries, then keys; of attention */
    const float *distance;        /* [heads][window] biases of the scores; of attention */
    struct model_tern mixer_down; /* [D][D] */
    const float *norm2;           /* [D] */
    struct model_tern ffn_gate;   /* [H][D] */
    struct model_tern ffn_up;     /* [H][D] */
    struct model_tern ffn_down;   /* [D][H] */
};

/* The embedding, row-major, as it was stored. */
struct model_embed {
    enum number_type type;
    const void *data;        /* [V][D] */
    const float *row_scales; /* [V] of NUMBER_Q8, else NULL */
};

struct model {
    struct dims dims;
    struct model_embed embed;
    const float *final_norm; /* [D] */
    struct model_block block[DIMS_MAX_BLOCKS];
    void *storage; /* owned; NULL when everything points elsewhere */
};

/* Builds from a parameter array of master weights: quantises (tern.h) and packs the ternary
 * tensors, copies the rest. With `ternary` the linear weights are already alpha * {-1,0,1} and are
 * only packed; a tensor that holds another value is an error. */
MUST_USE int model_from_params(struct model *m, const struct dims *d, const float *params,
                               bool ternary, const struct kern *k, struct err *e);

/* Expands into a parameter array of dims_n_floats: ternary tensors as alpha * (code - 1). */
void model_to_params(const struct model *m, float *params);

/* Row `id` of the embedding as floats [D]. */
void model_embed_row(const struct model *m, size_t id, float *out);

/* Where a tensor stands in the model: the floats of a norm or a convolution, NULL for the others;
 * the packed matrix of a ternary kind, NULL for the others. The block is ignored outside the
 * blocks. */
const float **model_floats(struct model *m, enum tensor_kind kind, int block);
struct model_tern *model_ternary(struct model *m, enum tensor_kind kind, int block);

void model_release(struct model *m);

#endif
