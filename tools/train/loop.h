/* loop.h - the run from its first step to its last: reports, validation, stories, checkpoints. */
#ifndef LOOP_H
#define LOOP_H

#include "train/trainer.h"

/* Steps until the budget is spent, patience ends or a signal arrives, then writes a last
 * checkpoint. -1 and *e on a failure, after which the checkpoints on disk are still good. */
MUST_USE int loop_run(struct trainer *t, struct err *e);

#endif
