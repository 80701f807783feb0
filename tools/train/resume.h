/* resume.h - beginning from a checkpoint: which one, and whether it fits options and data. */
#ifndef RESUME_H
#define RESUME_H

#include "train/trainer.h"

/* Opens what --resume names, or the newest good checkpoint of the folder that it names, or else of
 * the run's, with a warning for each damaged one passed over, and sets t->resumed_from to its path.
 * One named while the run's folder holds a later one is an error. ckpt_close at the end. */
MUST_USE int resume_open(struct trainer *t, struct ckpt *c, struct err *e);

/* Opens what --init-from names, or the best of the folder that it names, and sets t->begun_from to
 * its path. ckpt_close at the end. */
MUST_USE int resume_open_weights(struct trainer *t, struct ckpt *c, struct err *e);

/* Takes model and state of an open checkpoint for the run to go on with. An error, which names both
 * values, where it would change the model, the data, seed, batch or learning rate. */
MUST_USE int resume_model(struct trainer *t, const struct ckpt *c, struct err *e);

/* Takes the model alone, for a new run from its weights (--init-from). */
MUST_USE int resume_weights(struct trainer *t, const struct ckpt *c, struct err *e);

/* Reads best.safetensors of the folder if it is *there; then the caller closes *c. */
MUST_USE int resume_read_best(struct ckpt *c, const char *dir, bool *there, struct err *e);

/* Whether losses of both compare: the same validation stories, as many of their tokens, the same
 * vocabulary. */
bool resume_same_validation(const struct ckpt_state *a, const struct ckpt_state *b);

#endif
