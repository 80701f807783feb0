/* choose.h - the model and the settings that the options ask for. */
#ifndef CHOOSE_H
#define CHOOSE_H

#include "dims/dims.h"
#include "format/ckpt.h"
#include "train/options.h"

/* True where --large is the default: 8 processors and 32 GB, as the container grants them. */
bool choose_machine_is_large(void);

/* The model of the options, `base` being what they leave open. */
MUST_USE int choose_dims(struct dims *d, const struct options *o, const struct dims *base,
                         struct err *e);

/* The settings of a run not yet begun; `large` tells whose learning rate and accumulation hold
 * where the options are silent. Budget and arithmetic are left zero. */
struct ckpt_settings choose_settings(const struct options *o, bool large);

#endif
