/* loss.h - the output head of training: cross-entropy and its gradients.
 *
 * The head is 44 % of the work of a small model, and [rows][V] floats would not fit any cache, so
 * NET_HEAD_ROWS token rows are taken at a time: their logits become probabilities and then the
 * gradient of the logits in place, from which both the gradient of the hidden rows and the
 * embedding's (added up over the chunks in order) are products. */
#ifndef LOSS_H
#define LOSS_H

#include "model/net.h"
#include "train/phases.h"

/* After net_forward: nll[row] in nats; d_hidden [rows][D] = scale * d(sum of nll)/d hidden; the
 * same for the embedding [V][D] is added to d_embed (overwrites it when `first`). */
void loss_backward(struct net *n, struct pool *p, const uint16_t *targets, size_t rows, float scale,
                   bool first, float *nll, float *d_hidden, float *d_embed, struct phases *phases);

#endif
