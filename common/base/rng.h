/* rng.h - random numbers, the same on every machine.
 *
 * xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021),
 * seeded through SplitMix64. No libm: the normal variates use our own logarithm. */
#ifndef RNG_H
#define RNG_H

#include "base/base.h"

struct rng {
    uint64_t s[4]; /* never all zero; this is the whole state, to be saved and restored */
};

/* Seeds from a number and a stream: two streams of one seed are unrelated. */
void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);

uint64_t rng_u64(struct rng *r);

/* Uniform in [0, n), n > 0, without bias (Lemire 2019). */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Uniform in [0, 1), 53 bits. */
double rng_unit(struct rng *r);

/* Standard normal (Marsaglia's polar method); keeps no second variate, so the state is only `s`. */
double rng_normal(struct rng *r);

/* Fisher-Yates shuffle of n indices. */
void rng_shuffle(struct rng *r, uint32_t *items, size_t n);

#endif
