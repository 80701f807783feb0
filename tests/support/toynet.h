/* toynet.h - a small random model in all its forms, for tests. */
#ifndef TOYNET_H
#define TOYNET_H

#include "base/pool.h"
#include "kern/kern.h"
#include "model/model.h"
#include "model/net.h"

/* Parameter array, packed, and as a net ready to run. */
struct toynet {
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    float *params; /* owned */
    struct model model;
    struct net net;
};

/* All of it, the net with room for max_rows rows. Takes `params` over; NULL makes toy_params. */
void toynet_open(struct toynet *t, const struct dims *d, float *params, uint64_t seed,
                 size_t max_rows, int n_threads, const struct cpu_level *level);
void toynet_close(struct toynet *t);

#endif
