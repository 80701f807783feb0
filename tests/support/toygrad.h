/* toygrad.h - small models with random weights and rows, whose gradients are tested. */
#ifndef TOYGRAD_H
#define TOYGRAD_H

#include "support/toytrain.h"

/* Convolutions alone. */
struct dims toygrad_small(void);

/* Small models of every mixer, i < TOY_N_EVERY: alone in a block and wider than a tile of rows,
 * then in turn and narrow. */
struct dims toygrad_dims(size_t i);

/* Random weights and random rows, sequences of uneven length. Fails the test where it cannot. */
void toygrad_open(struct toytrain *t, const struct dims *d, const struct cpu_level *level,
                  int threads, size_t rows);
void toygrad_open_with(struct toytrain *t, const struct dims *d, const struct toytrain_options *o,
                       size_t rows);

#endif
