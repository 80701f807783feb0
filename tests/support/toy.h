/* toy.h - small random models for tests. */
#ifndef TOY_H
#define TOY_H

#include "base/pool.h"
#include "dims/dims.h"
#include "kern/kern.h"
#include "model/model.h"
#include "model/net.h"

/* A random model in all its forms: parameter array, packed, and as a net ready to run. */
struct toy {
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    float *params; /* owned */
    struct model model;
    struct net net;
};

/* Dimensions in one line; dilation as dims_parse_dilation takes it. Fails the test when wrong. */
struct dims toy_dims(int V, int D, int H, int K, int L, const char *dilation);

/* Dimensions of awkward sizes, i < TOY_N_SIZES; from TOY_N_SMALL on they take some time. */
enum { TOY_N_SMALL = 8, TOY_N_SIZES };
struct dims toy_size(size_t i);

/* n random tokens in sequences of random lengths, as net_forward takes them. */
void toy_rows(const struct dims *d, uint64_t seed, size_t n, uint16_t *tokens, uint32_t *pos);

/* Parameters in the array of dims.h: normal variates, scales around 1. The caller frees. */
float *toy_params(const struct dims *d, uint64_t seed);

/* All of it, the net with room for max_rows rows. Takes `params` over; NULL makes toy_params. */
void toy_open(struct toy *t, const struct dims *d, float *params, uint64_t seed, size_t max_rows,
              int n_threads, const struct cpu_level *level);
void toy_close(struct toy *t);

#endif
