/* adamw.h - AdamW (Loshchilov and Hutter 2019, algorithm 2; kern.h adamw) on every tensor.
 *
 * Keeps two moments beside each tensor, adam_m and adam_v. Settings: beta1 0.9, beta2 0.95,
 * adam_eps 1e-8, weight_decay 0.01, those of FlashLM v4. */
#ifndef ADAMW_H
#define ADAMW_H

#include "train/optim.h"

/* For other optimisers too, which leave some forms of tensors to it. */
extern const struct optim_rule adamw_rule;

extern const struct optim_kind adamw_kind;

#endif
