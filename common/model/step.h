/* step.h - decoding one token at a time.
 *
 * The state holds, for each block, the last (K-1)*dilation value vectors of the convolution, so the
 * cost of a token is constant however long the story. The blocks' linear layers add and subtract
 * activations by the packed weights and multiply by alpha once per output. */
#ifndef STEP_H
#define STEP_H

#include "base/arena.h"
#include "model/model.h"

struct step_block {
    float *taps; /* [K][D], the convolution transposed for the kernel */
    /* The last P + 1 value vectors, P = (K-1)*dilation: row t mod (P + 1), and the same again P + 1
     * rows later, so that the P rows before the newest always stand in a row before its second
     * copy. */
    float *ring; /* [2 (P + 1)][D] */
    size_t n_ring;
};

struct step {
    const struct model *model; /* must outlive the step */
    const struct kern *kern;
    uint64_t position; /* tokens seen since the reset */
    struct step_block block[DIMS_MAX_BLOCKS];
    float *x;      /* [D] the residual stream */
    float *norm;   /* [D] */
    float *gate;   /* [D] */
    float *mix;    /* [D] */
    float *out;    /* [D] */
    float *a;      /* [H] */
    float *b;      /* [H] */
    float *h;      /* [H] */
    float *logits; /* [V] */
};

/* Lays out memory in the arena (measuring or mapped, see arena.h): about 2 (P + 1) D floats a block
 * and V logits. Ready for the first token. */
void step_init(struct step *s, const struct model *m, const struct kern *k, struct arena *a);

/* Forgets everything: the next token is the first. */
void step_reset(struct step *s);

/* Feeds a token (< V); returns the logits [V] of the next one, valid until the next call. */
const float *step_token(struct step *s, uint16_t token);

/* The same without the head, for all but the last token of a prompt. */
void step_prefill(struct step *s, uint16_t token);

#endif
