/* init.h - the weights a run starts from. */
#ifndef INIT_H
#define INIT_H

#include "base/rng.h"
#include "dims/dims.h"

/* Embedding N(0, 0.02^2); ternary tensors [out][in] N(0, 2/out) and taps [D][1][K] N(0, 2/(D K)),
 * Kaiming's normal for fan-out (He et al. 2015, eq. 14); scales 1; biases by distance those of
 * ALiBi (Press et al. 2022), -2^(-8 (h+1) / heads) a position in head h. params [dims_n_floats],
 * zeroed gaps. Each tensor has a stream of its own, so it depends on the seed and its own place
 * alone. */
void init_params(const struct dims *d, uint64_t seed, float *params);

#endif
