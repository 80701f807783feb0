#include "train/init.h"

#include <math.h>

#include "base/fmath.h"

static double deviation(const struct tensor *t)
{
    if (t->kind == TENSOR_EMBED)
        return 0.02;
    double fan_out = (double)t->shape[0] * (t->kind == TENSOR_TAPS ? (double)t->shape[2] : 1.0);
    return sqrt(2 / fan_out);
}

/* ALiBi (Press et al. 2022): slopes from 2^(-8/heads) to 2^-8. */
static double first_bias(const struct dims *d, size_t j)
{
    size_t head = j / (size_t)d->window;
    size_t distance = j % (size_t)d->window;
    return -fmath_exp(-8 * M_LN2 * (double)(head + 1) / d->heads) * (double)distance;
}

void init_params(const struct dims *d, uint64_t seed, float *params)
{
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        struct rng rng;
        dims_tensor(d, i, &t);
        rng_seed(&rng, seed, i);
        double sigma = deviation(&t);
        for (size_t j = 0; j < t.n && t.kind == TENSOR_DISTANCE; j++)
            params[t.offset + j] = (float)first_bias(d, j);
        if (t.kind == TENSOR_DISTANCE)
            continue;
        for (size_t j = 0; j < t.n; j++)
            params[t.offset + j] = t.rank == 1 ? 1.0f : (float)(sigma * rng_normal(&rng));
    }
}
