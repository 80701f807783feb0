/* mixer.h - what a block's mixer is, as a table of operations: one entry for each way in which
 * information passes between the rows of a sequence (dims.h enum dims_mixer).
 *
 * All blocks are built alike:
 *
 *   gate, value = mixer_up rmsnorm(x, norm1)        and, of attention, query, key = query_key of it
 *   mix         = what the mixer makes of the values of its own and earlier rows
 *   x           = x + mixer_down (mix * sigmoid(gate)),       then the feed-forward part
 *
 * The ternary projections and the gate are the block's (net.c, infer.c); a mixer is
 * the middle line: which tensors it has besides (dims_has), how far it looks back (dims_reach),
 * what it computes over whole sequences, what a stream keeps and computes for a token. Its backward
 * pass stands in tools/train/mixer_back.h, under the same name.
 *
 *   convolution  mix[t][c] = sum over taps i of taps[i][c] * value[t - (K-1-i) * dilation][c]
 *   attention    of each head, over the `window` positions j = t, t-1, ... of the sequence:
 *                w_j = softmax over j of (query_t . key_j / sqrt(key_width) + distance[t - j])
 *                mix[t] = sum over j of w_j value_j
 *
 * Distances have biases of their own, as in ALiBi (Press et al. 2022), but learned. */
#ifndef MIXER_H
#define MIXER_H

#include "model/infer.h"
#include "model/net.h"

struct mixer {
    /* ---- whole sequences: net.h -------------------------------------------------------------- */

    /* Lays out what a block needs besides the activations all blocks have. */
    void (*init)(struct net *n, int block, struct arena *a);

    /* Prepares its tensors but the ternary ones, n->params having been set. One thread. */
    void (*load)(struct net *n, int block);

    /* acts.mix of rows s from acts.gate_value (and acts.query_key) of these and earlier rows, no
     * further than pos[row] of them. Called once these are there; by many workers. */
    void (*forward)(const struct net *n, int block, const uint32_t *pos, struct span s,
                    size_t worker);

    /* Multiply-adds a row of `forward`. Backwards it needs twice as many. */
    double (*work)(const struct dims *d);

    /* ---- streams: infer.h -------------------------------------------------------------------- */

    /* Takes memory in w's arena for its tensors but the ternary ones and, unless that is measuring,
     * fills it. */
    void (*pack)(struct infer_weights *w, int block);

    /* Floats of a stream's state. It need not be cleared: nothing before position 0 is read. */
    size_t (*state)(const struct dims *d, int block);

    /* f->mixed of n rows from f->mixer_value (and f->query_key), which enter their streams' state;
     * f->position has their places. Exact, in one written order (kern/exact.h). */
    void (*step)(struct infer *f, int block, const struct infer_row *rows, size_t n);
};

extern const struct mixer mixer_conv, mixer_attention;

/* For both directions of a convolution: those rows from `first` on, `end` being beyond the last,
 * that have as many taps inside their sequence as the first; v is the value in acts.gate_value. */
struct kern_conv mixer_conv_rows(const struct net *n, int block, const uint32_t *pos, size_t first,
                                 size_t end);

/* That of a block. */
const struct mixer *mixer_of(const struct dims *d, int block);

#endif
