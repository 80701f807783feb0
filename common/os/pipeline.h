/* pipeline.h - pieces of work in three stages, over the threads of a pool (base/pool.h): one thread
 * makes them, all threads work on several of them at a time, and they are taken, one at a time, in
 * the order in which they were made. All stages overlap.
 *
 * A few pieces are used again and again. A maker that finds none free helps with the other stages
 * until one is, so memory is bounded, and a single thread runs all stages. What is taken, and which
 * failure is reported, does not depend on the number of threads. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "base/err.h"
#include "base/pool.h"

struct pipeline;

/* Each returns -1 and *e on failure, after which no piece made later is taken. */
struct pipeline_stages {
    /* Fills the piece that pipeline_piece gives and hands it on with pipeline_put, again and again
     * until there is no more. */
    int (*make)(void *context, struct pipeline *p, struct err *e);
    /* Called for each, as worker `worker` of the pool; only this stage runs several times at once.
     */
    int (*work)(void *context, void *piece, size_t worker, struct err *e);
    int (*take)(void *context, void *piece, struct err *e);
    void *context;
};

/* How many pieces keep so many threads busy. */
static inline size_t pipeline_pieces(const struct pool *pool)
{
    return (size_t)pool_threads(pool) + 2;
}

/* Runs all stages until the last piece made is taken. `pieces` is the caller's array of n >= 1 of
 * them, `size` bytes each. The failure is that of the first piece in order, then that of `make`. */
MUST_USE int pipeline_run(const struct pipeline_stages *stages, void *pieces, size_t n, size_t size,
                          struct pool *pool, struct err *e);

/* Within make: a free piece, the same until it is handed on. NULL when a stage has failed: make
 * must return -1 then, and its error is ignored. */
void *pipeline_piece(struct pipeline *p);
void pipeline_put(struct pipeline *p);

#endif
