/* optim_state.h - an optimiser in a checkpoint: its name, its settings by key, its arrays by name.
 */
#ifndef OPTIM_STATE_H
#define OPTIM_STATE_H

#include "format/ckpt.h"
#include "train/optim.h"

/* Everything of o for ckpt_save, in one piece of memory that the caller frees; NULL and *e if there
 * is none. Points into o. */
struct ckpt_optim *optim_state(const struct optim *o, struct err *e);

/* The optimiser of a run's checkpoint (has_state) with its settings; an error where it is not known
 * or a setting is missing or out of range. */
MUST_USE int optim_state_settings(struct optim_settings *s, const struct ckpt *c, const char *path,
                                  struct err *e);

/* All arrays of o, which was laid out for these settings and the dimensions of c. */
MUST_USE int optim_state_read(struct optim *o, const struct ckpt *c, const char *path,
                              struct err *e);

#endif
