#include "train/init.h"

#include <math.h>

static double deviation(const struct tensor *t)
{
    if (t->kind == TENSOR_EMBED)
        return 0.02;
    double fan_out = (double)t->shape[0] * (t->kind == TENSOR_TAPS ? (double)t->shape[2] : 1.0);
    return sqrt(2 / fan_out);
}

void init_params(const struct dims *d, uint64_t seed, float *params)
{
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        struct rng rng;
        dims_tensor(d, i, &t);
        rng_seed(&rng, seed, i);
        double sigma = deviation(&t);
        for (size_t j = 0; j < t.n; j++)
            params[t.offset + j] = t.rank == 1 ? 1.0f : (float)(sigma * rng_normal(&rng));
    }
}
