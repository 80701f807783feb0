#include "support/toygrad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "support/toy.h"
#include "train/init.h"

void toygrad_open_with(struct toytrain *t, const struct dims *d, const struct toytrain_options *o,
                       size_t rows)
{
    struct err e;
    struct rng rng;
    if (toytrain_open(t, d, rows, o, &e))
        fail_msg("%s", e.text);
    init_params(d, 7, t->params);
    rng_seed(&rng, 11, 0);
    for (size_t r = 0; r < rows; r++) {
        t->tokens[r] = (uint16_t)rng_below(&rng, (uint64_t)d->V);
        t->targets[r] = (uint16_t)rng_below(&rng, (uint64_t)d->V);
        t->pos[r] = r == 0 || rng_below(&rng, 17) == 0 ? 0 : t->pos[r - 1] + 1;
    }
}

struct dims toygrad_small(void)
{
    struct dims d;
    dims_small(&d, 37);
    d.D = 12;
    d.H = 20;
    d.K = 3;
    d.L = 2;
    d.dilation[1] = 2;
    return d;
}

struct dims toygrad_dims(size_t i)
{
    struct dims d = toygrad_small();
    bool alone = i < DIMS_N_MIXERS;
    d.L = alone ? 1 : DIMS_N_MIXERS;
    return toy_every(d, alone ? 2 : 3, alone ? 3 : 5, alone ? 70 : 7, i);
}

void toygrad_open(struct toytrain *t, const struct dims *d, const struct cpu_level *level,
                  int threads, size_t rows)
{
    struct toytrain_options o = {level, .threads = threads,
                                 .optim = optim_defaults(optim_kinds[0])};
    toygrad_open_with(t, d, &o, rows);
}
