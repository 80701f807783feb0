/* pool.h - a pthread pool for data-parallel work.
 *
 * One call runs n tasks over all workers and returns when the last is done. Tasks are numbered by
 * the problem (a tile of tokens, a block of rows), never by the number of threads; they are taken
 * in order from one shared counter, so uneven tasks balance themselves. A task writes only memory
 * that is its own, or scratch of its worker whose contents do not reach the result; then results
 * are the same bits for any number of threads. The caller is worker 0, so a pool of one thread
 * starts none.
 *
 * Workers wait a few microseconds spinning, since a training step has hundreds of short phases,
 * then sleep: an idle pool costs nothing and more threads than processors still make progress.
 * Denormals are flushed in every worker and in the thread that makes the pool. */
#ifndef POOL_H
#define POOL_H

#include "base/err.h"

struct pool;

/* A task: number `task` in [0, n_tasks), run by worker `worker` in [0, pool_threads). */
typedef void pool_task(void *context, size_t task, size_t worker);

/* n_threads in [1, 1024]. NULL and *e on failure. */
struct pool *pool_new(int n_threads, struct err *e);
void pool_free(struct pool *p); /* NULL is fine */

int pool_threads(const struct pool *p);

/* Runs run(context, 0..n_tasks-1). Not reentrant: a task must not call it on the same pool. */
void pool_run(struct pool *p, pool_task *run, void *context, size_t n_tasks);

#endif
