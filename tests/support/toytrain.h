/* toytrain.h - a net with its gradient and optimiser, ready to take steps on rows of tokens: what
 * the unit tests of training and parity have in common. */
#ifndef TOYTRAIN_H
#define TOYTRAIN_H

#include "train/grad.h"
#include "train/optim.h"

struct toytrain {
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    struct net net;
    struct grad grad;
    struct optim optim;
    float *params;   /* [dims_n_floats] zeroes until the test fills them */
    float *gradient; /* [dims_n_floats] of toytrain_gradient */
    uint16_t *tokens;
    uint16_t *targets;
    uint32_t *pos;
    struct grad_batch batch; /* all of these rows */
};

struct toytrain_options {
    const struct cpu_level *level;
    bool bf16;
    int threads;
    size_t cache;     /* 0: kern.h's own */
    size_t part_rows; /* at most, of the parts that a batch goes through in; 0: all of it */
    struct optim_settings optim;
};

/* Lays out everything for batches of `rows` rows. toytrain_close also after a failure. */
MUST_USE int toytrain_open(struct toytrain *t, const struct dims *d, size_t rows,
                           const struct toytrain_options *o, struct err *e);
void toytrain_close(struct toytrain *t);

/* Loads the weights (`ternary` as for net_load) and computes t->gradient; the mean loss. */
double toytrain_gradient(struct toytrain *t, bool ternary);

/* The loss alone. */
double toytrain_loss(struct toytrain *t, bool ternary);

/* A step, number n = 1, 2, ..., along t->gradient; the norm before clipping. */
double toytrain_step(struct toytrain *t, double lr, uint64_t n);

#endif
