/* toy.h - sizes, rows and weights of small random models, for tests. */
#ifndef TOY_H
#define TOY_H

#include "dims/dims.h"

/* Dimensions in one line; dilation as dims_parse_dilation takes it. Fails the test when wrong. */
struct dims toy_dims(int V, int D, int H, int K, int L, const char *dilation);

/* The same with mixers as dims_parse_mixers takes them; 0 of the others where that is right. */
struct dims toy_mixed(struct dims d, const char *mixers, int heads, int key_width, int window);

/* The same in every arrangement of mixers, i < TOY_N_EVERY: all blocks have mixer i; from
 * DIMS_N_MIXERS on the blocks have them in turn, the first mixer i - DIMS_N_MIXERS, and the
 * embedding has a norm. What a test says of these it says of a mixer that is new. */
enum { TOY_N_EVERY = 2 * DIMS_N_MIXERS };
struct dims toy_every(struct dims d, int heads, int key_width, int window, size_t i);

/* Dimensions of awkward sizes, i < TOY_N_SIZES: up to TOY_N_CONV of convolutions alone, from
 * TOY_N_SMALL to there they take some time; then every other arrangement of mixers, and of
 * attention every awkward size. */
enum {
    TOY_N_SMALL = 8,
    TOY_N_CONV,
    TOY_N_MIXED = 5,
    TOY_N_SIZES = TOY_N_CONV + (TOY_N_MIXED > TOY_N_EVERY ? TOY_N_MIXED : TOY_N_EVERY)
};
struct dims toy_size(size_t i);

/* n random tokens in sequences of random lengths, as net_forward takes them. */
void toy_rows(const struct dims *d, uint64_t seed, size_t n, uint16_t *tokens, uint32_t *pos);

/* Parameters in the array of dims.h: normal variates, scales around 1. The caller frees. */
float *toy_params(const struct dims *d, uint64_t seed);

#endif
