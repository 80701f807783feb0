/* resume.h - beginning from a checkpoint: which one, and whether it fits options and data. */
#ifndef RESUME_H
#define RESUME_H

#include "train/trainer.h"

/* Sets t->resumed_from to the path of --resume, or to the newest good checkpoint of the folder,
 * with a warning for each damaged one passed over. */
MUST_USE int resume_find(struct trainer *t, struct err *e);

/* Takes model and state of an open checkpoint for the run to go on with. An error, which names both
 * values, where it would change the model, the data, seed, batch or learning rate. */
MUST_USE int resume_model(struct trainer *t, const struct ckpt *c, struct err *e);

/* Takes the model alone, for a new run from its weights (--init-from). */
MUST_USE int resume_weights(struct trainer *t, const struct ckpt *c, struct err *e);

#endif
