/* optim.h - gradient clipping and AdamW over the whole parameter array. */
#ifndef OPTIM_H
#define OPTIM_H

#include "base/arena.h"
#include "base/pool.h"
#include "kern/kern.h"

struct optim_options {
    double beta1, beta2, eps, weight_decay;
    double clip; /* largest global gradient norm; 0 never clips */
};

/* AdamW (0.9, 0.95), eps 1e-8, weight decay 0.01 on every tensor, clip 1.0: FlashLM v4's. */
struct optim_options optim_defaults(void);

struct optim {
    struct optim_options options;
    size_t n;     /* floats of the parameter array */
    float *m, *v; /* [n] first and second moments */
    double *sums; /* scratch */
};

void optim_init(struct optim *o, const struct optim_options *options, size_t n, struct arena *a);

/* Global 2-norm of g; the same bits for any number of threads. */
double optim_norm(struct optim *o, const struct kern *k, struct pool *p, const float *g);

/* One step, number t = 1, 2, ...: params -= lr * AdamW(g * min(1, clip / (norm + 1e-6))). */
void optim_step(struct optim *o, const struct kern *k, struct pool *p, float *params,
                const float *g, double norm, double lr, uint64_t t);

#endif
