/* threads.h - a pool of threads (base/pool.h).
 *
 * Tasks are taken in order from one shared counter, so uneven tasks balance themselves. The thread
 * that calls pool_run is worker 0, so a pool of one thread starts none.
 *
 * A worker without work spins for some microseconds, because a training step has hundreds of short
 * phases, and then sleeps: an idle pool takes no processor time, and more threads than processors
 * still make progress. Every worker, and the thread that makes the pool, treats denormal floats as
 * zero from then on. */
#ifndef THREADS_H
#define THREADS_H

#include "base/err.h"
#include "base/pool.h"

/* n_threads in [1, 1024]. NULL and *e on failure. */
struct pool *threads_new(int n_threads, struct err *e);
void threads_free(struct pool *p); /* one that threads_new made; NULL is fine */

#endif
