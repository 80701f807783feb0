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

struct pool {
    int n_threads; /* >= 1, the caller of pool_run being one */
    /* Runs all tasks, each once, on up to n_threads threads at a time, and returns after the last.
     * Called with n_threads > 1 and n_tasks > 1 only. */
    void (*run)(struct pool *p, pool_task *run, void *context, size_t n_tasks);
};

static inline int pool_threads(const struct pool *p)
{
    return p ? p->n_threads : 1;
}

/* Runs run(context, 0..n_tasks-1). Not reentrant: a task must not call it on the same pool. */
void pool_run(struct pool *p, pool_task *run, void *context, size_t n_tasks);

#endif
