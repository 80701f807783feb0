/* dims.h - the hyperparameters of a Bolt model and THE table of its tensors.
 *
 * The field's letters, defined here once:
 *   B batch (sequences)        T sequence length (tokens)    D model width
 *   H hidden width of the GLU  K taps of the convolution     L blocks      V vocabulary
 *
 * A block is data: a norm, the tensors of its mixer, a norm, the tensors of its feed-forward part.
 * Which mixer a block has, the dimensions say; what the mixers do is model/mixer.h.
 *
 * All parameters of a model live in one float array; every tensor starts on a multiple of
 * DIMS_ALIGN floats, and the gaps stay zero. Weights and gradients share this
 * layout, so one loop over the array treats them all. */
#ifndef DIMS_H
#define DIMS_H

#include "base/err.h"

#define DIMS_MAX_BLOCKS 64
#define DIMS_MAX_TENSORS (2 + 9 * DIMS_MAX_BLOCKS)
#define DIMS_MAX_KEY_WIDTH 512
#define DIMS_MAX_WINDOW 1024
#define DIMS_ALIGN 16          /* floats */
#define DIMS_NORM_EPS 1e-6f    /* rmsnorm(x, s) = x / sqrt(mean(x^2) + eps) * s */
#define DIMS_TERNARY_EPS 1e-8f /* w / (mean|w| + eps) before rounding */

/* The first ids of every vocabulary (text/vocab.h names the same for text): models know them, since
 * a story begins after EOS and ends with it, and the other three never stand in one. */
enum { DIMS_PAD, DIMS_UNK, DIMS_BOS, DIMS_EOS, DIMS_N_SPECIAL };

/* How information passes between the tokens of a sequence. Numbered as the formats have them; the
 * names are those of --mixers and of the metadata. */
enum dims_mixer {
    DIMS_CONV,      /* gated convolution of K taps */
    DIMS_ATTENTION, /* gated causal attention over a window */
    DIMS_N_MIXERS
};
extern const char *const dims_mixer_names[DIMS_N_MIXERS + 1]; /* NULL at the end */

struct dims {
    int V;                         /* 5..65536 (ids are uint16) */
    int D;                         /* 1..8192 */
    int H;                         /* 1..32768 */
    int K;                         /* 1..64 */
    int L;                         /* 1..DIMS_MAX_BLOCKS */
    int T;                         /* 1..65536; used by training, carried by every format */
    int dilation[DIMS_MAX_BLOCKS]; /* 1..4096 a block; tap i meets position t - (K-1-i)*dilation; 1
                                      in a block without a convolution */
    enum dims_mixer mixer[DIMS_MAX_BLOCKS];
    /* of attention; all 0 where no block has it */
    int heads;      /* 1..D, divides D: a head has D / heads of the values */
    int key_width;  /* 1..512: numbers of a query or key of one head; of all at most 32768 */
    int window;     /* 1..1024: positions a token sees, itself among them */
    int embed_norm; /* 1: the first block's input is rmsnorm of a token's embedding; else 0 */
};

enum tensor_kind {
    TENSOR_EMBED,    /* [V][D]    embedding.weight, tied to the output head */
    TENSOR_NORM1,    /* [D]       blocks.N.norm1.scale */
    TENSOR_MIXER_UP, /* [2D][D]   blocks.N.mixer.up.weight: rows 0..D-1 gate, D..2D-1 value; ternary
                      */
    TENSOR_TAPS,     /* [D][1][K] blocks.N.mixer.conv.weight */
    TENSOR_QUERY_KEY, /* [2 heads key_width][D] blocks.N.mixer.query_key.weight: the queries of all
                         heads, then the keys; ternary */
    TENSOR_DISTANCE,  /* [heads][window] blocks.N.mixer.distance.bias: what is added to the score of
                         a key so many positions back */
    TENSOR_MIXER_DOWN, /* [D][D]    blocks.N.mixer.down.weight; ternary */
    TENSOR_NORM2,      /* [D]       blocks.N.norm2.scale */
    TENSOR_FFN_GATE,   /* [H][D]    blocks.N.ffn.W_gate.weight; ternary */
    TENSOR_FFN_UP,     /* [H][D]    blocks.N.ffn.W_up.weight; ternary */
    TENSOR_FFN_DOWN,   /* [D][H]    blocks.N.ffn.W_down.weight; ternary */
    TENSOR_FINAL_NORM, /* [D]       final_norm.scale */
    TENSOR_N_KINDS
};

/* What the numbers of a tensor are: how it is stored and stepped follows from that. */
enum tensor_form {
    TENSOR_TERNARY, /* a matrix of a linear layer: alpha * {-1,0,1} when the model runs */
    TENSOR_TABLE,   /* a row for each token */
    TENSOR_VECTOR,  /* a number or a few for each channel: scales, taps */
    TENSOR_N_FORMS
};

struct tensor {
    char name[48];
    enum tensor_kind kind;
    int block; /* -1 outside the blocks */
    enum tensor_form form;
    int n_parts; /* matrices stacked in it, of shape[0] / n_parts rows each: 2 in mixer.up and
                    mixer.query_key, else 1 */
    int rank;    /* 1..3 */
    size_t shape[3];
    size_t n;      /* product of the shape */
    size_t offset; /* of its first float in the parameter array */
};

/* Checks every range above; -1 with the offending name and value. */
MUST_USE int dims_check(const struct dims *d, struct err *e);

/* The presets of FlashLM v4: "small" (D 192, L 6, K 8, H 512, T 256) and "large" (D 384, L 8, K 8,
 * H 896, T 512); dilation 1 everywhere, V as given. And "swift": small, but with attention in
 * the two blocks in the middle, whose sizes are left to dims_complete, and a norm after the
 * embedding. */
void dims_small(struct dims *d, int V);
void dims_large(struct dims *d, int V);
void dims_swift(struct dims *d, int V);

/* Attention in the two blocks in the middle, convolutions in the others. */
void dims_middle_attention(struct dims *d);

/* True if a block has a tensor of this kind; of the kinds outside the blocks, true. */
bool dims_has(const struct dims *d, enum tensor_kind kind, int block);

/* True of a model of FlashLM v4's kind, of any size: every block has the gated convolution, and the
 * embedding no norm. All versions of the formats hold these. */
bool dims_is_v4(const struct dims *d);

/* 2 + 8 a block with a convolution + 9 a block with attention. */
size_t dims_n_tensors(const struct dims *d);

/* Tensor i in file order: embedding, blocks in ascending order (in the order of the kinds), final
 * norm. i < dims_n_tensors. */
void dims_tensor(const struct dims *d, size_t i, struct tensor *t);

/* Rank and shape (ones beyond the rank) of a kind; returns the number of elements. */
size_t dims_shape(const struct dims *d, enum tensor_kind kind, int *rank, size_t shape[3]);

/* Offset of one tensor in the parameter array; block is ignored outside the blocks, and has the
 * tensor. */
size_t dims_offset(const struct dims *d, enum tensor_kind kind, int block);

/* Length of the parameter array in floats, gaps included; a multiple of DIMS_ALIGN. */
size_t dims_n_floats(const struct dims *d);

/* Number of parameters, without the gaps (4,364,736 for small with V 10,000). */
size_t dims_n_params(const struct dims *d);

/* Earlier positions that a block's mixer reads: (K-1) * dilation, or window - 1. */
size_t dims_reach(const struct dims *d, int block);

/* Earlier positions a token's output can depend on: the sum of dims_reach over the blocks. */
size_t dims_context(const struct dims *d);

/* Dilations as text, "1,2,5" (one number a block). buf of 512 bytes is always enough. */
void dims_dilation_text(const struct dims *d, char *buf, size_t size);

/* Reads "1,2,5" into dilation[0..L-1]; one number alone counts for every block. */
MUST_USE int dims_parse_dilation(struct dims *d, const char *text, struct err *e);

/* Mixers as text, "conv,attention" (one name a block). buf of DIMS_MIXERS_TEXT bytes is enough. */
enum { DIMS_MIXERS_TEXT = 16 * DIMS_MAX_BLOCKS };
void dims_mixers_text(const struct dims *d, char *buf, size_t size);

/* Reads "conv,attention" into mixer[0..L-1]; one name alone counts for every block. Sets nothing
 * else: dims_complete does. */
MUST_USE int dims_parse_mixers(struct dims *d, const char *text, struct err *e);

/* Fills in what was not given, from the mixers: heads 0 becomes D / 32 rounded to a divisor of
 * D, key_width 0 the width of a head's values, at most 512, window 0 becomes 64; all become 0
 * without attention. Dilation is 1 in blocks without a convolution. */
void dims_complete(struct dims *d);

/* True if all hyperparameters but T are equal. */
bool dims_equal(const struct dims *a, const struct dims *b);

#endif
