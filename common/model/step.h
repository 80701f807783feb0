/* step.h - decoding one token at a time.
 *
 * The state holds, for each block, the last (K-1)*dilation value vectors of the convolution, so the
 * cost of a token is constant however long the story. The blocks' linear layers add and subtract
 * activations by the packed weights and multiply by alpha once per output. */
#ifndef STEP_H
#define STEP_H

#include "base/arena.h"
#include "model/model.h"

struct step {
    const struct model *model;
    const struct kern *kern;
    uint64_t position; /* tokens seen since the reset */
    float *state;      /* per block a ring of [(K-1)*dilation][D] */
    size_t state_offset[DIMS_MAX_BLOCKS];
    float *scratch;
    float *logits; /* [V] */
};

/* Lays out memory in the arena (measuring or mapped, see arena.h). */
void step_init(struct step *s, const struct model *m, const struct kern *k, struct arena *a);

/* Forgets everything: the next token is the first. */
void step_reset(struct step *s);

/* Feeds a token; returns the logits [V] of the next one, valid until the next call. */
const float *step_token(struct step *s, uint16_t token);

/* The same without the head, for all but the last token of a prompt. */
void step_prefill(struct step *s, uint16_t token);

#endif
