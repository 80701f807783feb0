/* muon.h - Muon (Jordan 2024) on the ternary matrices, AdamW on the rest.
 *
 * A matrix moves along the nearest matrix with orthogonal columns (or rows, whichever are fewer) to
 * its Nesterov momentum, so that all of its directions move alike, however large their gradients:
 *
 *     M <- mu M + (1 - mu) G,  Y = mu M + (1 - mu) G
 *     X = Y / (1.02 |Y| + 1e-6), |Y| the Frobenius norm
 *     k times: A = X'X,  X <- X (a + b A + c A^2)
 *     w <- w - eta muon_decay w - eta sqrt(max(1, rows / columns)) X
 *
 * eta is muon_lr times the learning rate's share of its highest. mu rises from muon_momentum_start
 * to muon_momentum over the first muon_warmup steps. mixer.up counts as its two parts.
 *
 * The step does not depend on the scale of the gradients, so grad_clip, which would only give some
 * steps less weight in the momentum than others, is AdamW's alone here.
 *
 * Keeps one array beside each ternary matrix, muon_m. */
#ifndef MUON_H
#define MUON_H

#include "train/optim.h"

extern const struct optim_kind muon_kind;

#endif
