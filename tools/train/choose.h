/* choose.h - the model and the settings that the options ask for. */
#ifndef CHOOSE_H
#define CHOOSE_H

#include "dims/dims.h"
#include "format/ckpt.h"
#include "train/optim.h"
#include "train/options.h"
#include "train/preset.h"

/* The model of the options; what they leave open is taken from `base`, a valid model. Options that
 * make no model are ERR_USAGE. */
MUST_USE int choose_dims(struct dims *d, const struct options *o, const struct dims *base,
                         struct err *e);

/* The preset that the options name; else the one that a model is nearest to (`had`); without a
 * model (NULL) the machine's: large with 8 processors and 32 GB, as the container grants them, else
 * small. */
enum preset_kind choose_preset(const struct options *o, const struct dims *had);

/* The settings of a run not yet begun, for a model of that preset: those of the recipe where the
 * options say nothing. Budget and arithmetic are left zero. */
MUST_USE int choose_settings(struct ckpt_settings *s, const struct options *o,
                             enum preset_kind preset, struct err *e);

/* The optimiser's settings for a run not yet begun; sequences of T tokens. */
MUST_USE int choose_optim(struct optim_settings *q, const struct options *o,
                          const struct ckpt_settings *s, int T, struct err *e);

/* Applies --set to the settings. */
MUST_USE int choose_set(struct optim_settings *q, const struct options *o, struct err *e);

/* The half-lives that the options give, as betas of a step: 2^(-tokens of a step / half-life)
 * (Marek et al., arXiv 2507.07101). An error if the optimiser has no such setting. */
MUST_USE int choose_betas(struct optim_settings *q, const struct options *o,
                          const struct ckpt_settings *s, int T, struct err *e);

#endif
