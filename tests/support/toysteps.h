/* toysteps.h - an optimiser that steps toy parameters along made-up gradients: what the unit tests
 * of optimisers have in common. */
#ifndef TOYSTEPS_H
#define TOYSTEPS_H

#include "train/optim.h"

struct toysteps {
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    struct optim optim;
    float *params; /* toy_params of seed 1 */
};

struct toysteps_how {
    const struct cpu_level *level;
    bool bf16;
    int threads;
};

/* Fails the test where it cannot. */
void toysteps_open(struct toysteps *t, const struct dims *d, const struct optim_settings *s,
                   struct toysteps_how how);
void toysteps_close(struct toysteps *t);

/* Step `number` along a gradient of this norm. */
void toysteps_step(struct toysteps *t, const float *gradient, double norm, double lr, double share,
                   uint64_t number);

/* The gradient of step `number`; the caller frees. */
float *toysteps_gradient(const struct toysteps *t, uint64_t number);

/* Steps first to last along their gradients, at rate 0.01. */
void toysteps_run(struct toysteps *t, uint64_t first, uint64_t last);

#endif
