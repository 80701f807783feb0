/* pool.h - data-parallel work, by whatever runs it: os/threads.h starts threads for it, and without
 * a pool (NULL) the caller does it all.
 *
 * One call runs n tasks over all workers and returns when the last is done. Tasks are numbered by
 * the problem (a tile of tokens, a block of rows), never by the number of threads. A task writes
 * only memory that is its own, or scratch of its worker whose contents do not reach the result;
 * then results are the same bits for any number of threads. */
#ifndef POOL_H
#define POOL_H

#include "base/base.h"

/* A task: number `task` in [0, n_tasks), run by worker `worker` in [0, pool_threads). */
typedef void pool_task(void *context, size_t task, size_t worker);

/* What a thread of a pipeline (os/pipeline.h) is at. */
enum pool_stage { POOL_MAKE, POOL_WORK, POOL_TAKE, POOL_N_STAGES };

struct pool {
    int n_threads; /* >= 1, the caller of pool_run being one */
    /* Runs all tasks, each once, on up to n_threads threads at a time, and returns after the last.
     * Called with n_threads > 1 and n_tasks > 1 only. */
    void (*run)(struct pool *p, pool_task *run, void *context, size_t n_tasks);
    /* NULL, or called by whatever thread enters a stage; returns that before it. */
    enum pool_stage (*stage)(struct pool *p, enum pool_stage stage);
};

static inline int pool_threads(const struct pool *p)
{
    return p ? p->n_threads : 1;
}

/* Runs run(context, 0..n_tasks-1). Not reentrant: a task must not call it on the same pool. */
void pool_run(struct pool *p, pool_task *run, void *context, size_t n_tasks);

/* Lets the workers in turn be the first to write to memory fresh from the system, which keeps each
 * page near the processor that first writes to it: so the pages of what all workers will use are
 * spread over a machine of several sockets, and not all beside the one that reads a file into them.
 * data [bytes] is zero, and stays so. */
void pool_touch(struct pool *p, void *data, size_t bytes);

#endif
