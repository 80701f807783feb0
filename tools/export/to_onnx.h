/* to_onnx.h - a model as a graph of ONNX, which reads one token or many. */
#ifndef TO_ONNX_H
#define TO_ONNX_H

#include "model/model.h"
#include "os/file_set.h"

/* How the linear weights are kept: as floats; or -1, 0, +1 in 8 or in 2 bits and one scale. */
enum to_onnx_weights { TO_ONNX_F32, TO_ONNX_INT8, TO_ONNX_INT2 };
extern const char *const to_onnx_weight_names[4]; /* "f32", "int8", "int2", NULL */

struct to_onnx_options {
    enum to_onnx_weights weights;
    /* As Transformers.js asks of a model with attention: an input more, attention_mask, and two
     * inputs and outputs more, a cache of one number a token. */
    bool transformersjs;
    uint64_t vocab_fingerprint; /* 0 if unknown */
};

/* Positions of a block's state: one more than the block, or another with its mixer, looks back. */
int to_onnx_state_length(const struct dims *d, int block);

/* That of the longest. */
int to_onnx_longest_state(const struct dims *d);

/* Numbers a position of a block's state: D values; of attention heads * key_width, then D, then 1
 * where there is a token. */
int to_onnx_state_channels(const struct dims *d, int block);

/* The version of ONNX's operators that these weights need: 18, for INT2 25. */
int to_onnx_opset(enum to_onnx_weights weights);

/* Writes path into the set. The graph's inputs are
 *   input_ids    int64 [batch_size][sequence_length]; below 0 and from V on they are UNK
 *   past_conv.N  float [batch_size][channels][length]: the state of every block N, zeros at first;
 *                of attention too, since Transformers.js knows a state of one size by this name
 *   attention_mask int64 [batch_size][at least sequence_length], with `transformersjs`: ends with
 *                1 or 0 for each of the tokens; of those with 0, the padding before a text, the
 *                others see nothing
 * and its outputs
 *   logits          float [batch_size][sequence_length][V]
 *   present_conv.N  float, as past_conv.N: that of the tokens that follow
 * Errors: writing; a model of more than 2 GB, which ONNX cannot hold in one file; out of memory. */
MUST_USE int to_onnx(const struct model *m, const struct to_onnx_options *o, const char *path,
                     struct file_set *files, struct err *e);

#endif
