/* phases.h - where the time of a step goes. */
#ifndef PHASES_H
#define PHASES_H

#include "base/base.h"

/* The phases of a step, in order; together they are all of it. */
enum phase {
    PHASE_PACK,    /* quantise and pack the weights */
    PHASE_FORWARD, /* blocks, forward */
    PHASE_HEAD,    /* logits, softmax, gradient of the hidden rows */
    PHASE_EMBED,   /* gradient of the embedding as output head */
    PHASE_GLU,     /* final norm, blocks backward: feed-forward layer, second norm, mixer's gate */
    PHASE_CONV, /* blocks backward: convolutions, later keys, and what comes before, first norm */
    PHASE_WEIGHTS,  /* weight gradients of the blocks, the embedding as input */
    PHASE_EXCHANGE, /* what ranks tell each other, as far as they wait for it; without ranks 0 */
    PHASE_OPTIMISE, /* gradient norm, clipping, optimiser */
    PHASE_REST,     /* batches, loss, sums of micro-batches */
    PHASE_N
};
extern const char *const phases_names[PHASE_N];

struct plan;

struct phases {
    struct plan *plan; /* NULL, or a plan that takes the times too (os/plan.h) */
    double seconds[PHASE_N];
    double mark; /* clock of the last phase_end */
};

/* Starts to measure. */
void phases_start(struct phases *p);

/* The time since the last mark belongs to `phase`. */
void phases_end(struct phases *p, enum phase phase);

#endif
