/* together.h - how many ranks begin one run: checks, and what they then share. */
#ifndef TOGETHER_H
#define TOGETHER_H

#include "train/trainer.h"

/* Checks that all ranks have the same program, instruction set, options, vocabulary and shards,
 * without which the bits would differ. An error names what differs and on which rank. For all
 * ranks, once data are open. */
MUST_USE int together_check(struct trainer *t, struct err *e);

/* The model, settings and state that the first rank has chosen, perhaps from a checkpoint that it
 * alone has, become everyone's, and so does the arithmetic. `rc` and *e are the result of that. */
MUST_USE int together_decide(struct trainer *t, int rc, struct err *e);

/* Master weights and the optimiser's arrays, which the first rank has, go to their owners, and the
 * weights to all. */
MUST_USE int together_begin(struct trainer *t, struct err *e);

#endif
