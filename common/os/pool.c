#include "os/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "os/machine.h"

#if defined(__x86_64__)
#define spin_pause() __builtin_ia32_pause()
#else
#define spin_pause() ((void)0)
#endif

enum { SPIN_ROUNDS = 4000 }; /* about 50 us of pauses before a worker sleeps */

struct worker {
    struct pool *pool;
    pthread_t thread;
    size_t index;
};

/* A run is announced by raising `generation`; each worker answers by lowering `busy`. Nobody leaves
 * a run before every worker has seen it, so `next` can be reset without a race. */
struct pool {
    int n_threads;
    int spin; /* 0 when there are more threads than processors: spinning would only steal time */
    struct worker *workers;

    pool_task *run;
    void *context;
    size_t n_tasks;
    _Alignas(64) atomic_size_t next;
    _Alignas(64) atomic_uint generation;
    _Alignas(64) atomic_int busy;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* generation changed */
    pthread_cond_t done; /* busy reached 0 */
    atomic_bool stop;
};

static void work(struct pool *p, size_t worker)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (task >= p->n_tasks)
            return;
        p->run(p->context, task, worker);
    }
}

static void await_generation(struct pool *p, unsigned seen)
{
    for (int i = 0; i < p->spin; i++) {
        if (atomic_load_explicit(&p->generation, memory_order_acquire) != seen)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->generation) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void await_idle(struct pool *p)
{
    for (int i = 0; i < p->spin; i++) {
        if (atomic_load_explicit(&p->busy, memory_order_acquire) == 0)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->busy) != 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void announce(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    cpu_flush_denormals();
    for (unsigned seen = 0;; seen++) {
        await_generation(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        work(p, w->index);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

struct pool *pool_new(int n_threads, struct err *e)
{
    if (n_threads < 1 || n_threads > 1024) {
        err_set(e, "number of threads out of range (found %d, expected 1 to 1024)", n_threads);
        return NULL;
    }
    struct pool *p = aligned_alloc(64, ALIGN_UP(sizeof *p, 64));
    struct worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (!p || !workers) {
        free(p);
        free(workers);
        err_set(e, "out of memory for %d threads", n_threads);
        return NULL;
    }
    *p = (struct pool){.n_threads = 1, .workers = workers};
    p->spin = n_threads <= machine_processors() ? SPIN_ROUNDS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    cpu_flush_denormals();
    for (int i = 1; i < n_threads; i++) {
        workers[i] = (struct worker){.pool = p, .index = (size_t)i};
        int code = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (code) {
            errno = code;
            err_errno(e, "cannot start thread %d of %d", i + 1, n_threads);
            pool_free(p);
            return NULL;
        }
        p->n_threads = i + 1;
    }
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    announce(p);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

int pool_threads(const struct pool *p)
{
    return p->n_threads;
}

void pool_run(struct pool *p, pool_task *run, void *context, size_t n_tasks)
{
    p->run = run;
    p->context = context;
    p->n_tasks = n_tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    if (p->n_threads == 1 || n_tasks <= 1) {
        work(p, 0);
        return;
    }
    atomic_store_explicit(&p->busy, p->n_threads - 1, memory_order_relaxed);
    announce(p);
    work(p, 0);
    await_idle(p);
}
