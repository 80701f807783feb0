#include "os/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "os/machine.h"
#include "os/signals.h"

#if defined(__x86_64__)
#define spin_pause() __builtin_ia32_pause()
#else
#define spin_pause() ((void)0)
#endif

enum { SPIN_ROUNDS = 4000 }; /* about 50 us of pauses before a worker sleeps */

struct worker {
    struct threads *threads;
    pthread_t thread;
    size_t index;
};

/* A run is announced by raising `generation`; each worker answers by lowering `busy`. Nobody leaves
 * a run before every worker has seen it, so `next` can be reset without a race. */
struct threads {
    struct pool pool; /* what others see of it; the first member */
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

static void work(struct threads *t, size_t worker)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
        if (task >= t->n_tasks)
            return;
        t->run(t->context, task, worker);
    }
}

static void await_generation(struct threads *t, unsigned seen)
{
    for (int i = 0; i < t->spin; i++) {
        if (atomic_load_explicit(&t->generation, memory_order_acquire) != seen)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->generation) == seen)
        pthread_cond_wait(&t->wake, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void await_idle(struct threads *t)
{
    for (int i = 0; i < t->spin; i++) {
        if (atomic_load_explicit(&t->busy, memory_order_acquire) == 0)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->busy) != 0)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void announce(struct threads *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add_explicit(&t->generation, 1, memory_order_release);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct threads *t = w->threads;
    cpu_flush_denormals();
    for (unsigned seen = 0;; seen++) {
        await_generation(t, seen);
        if (atomic_load(&t->stop))
            return NULL;
        work(t, w->index);
        if (atomic_fetch_sub_explicit(&t->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&t->lock);
            pthread_cond_signal(&t->done);
            pthread_mutex_unlock(&t->lock);
        }
    }
}

static void run_all(struct pool *p, pool_task *run, void *context, size_t n_tasks)
{
    struct threads *t = (struct threads *)p;
    t->run = run;
    t->context = context;
    t->n_tasks = n_tasks;
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    atomic_store_explicit(&t->busy, p->n_threads - 1, memory_order_relaxed);
    announce(t);
    work(t, 0);
    await_idle(t);
}

struct pool *threads_new(int n_threads, struct err *e)
{
    if (n_threads < 1 || n_threads > 1024) {
        err_usage(e, "number of threads out of range (found %d, expected 1 to 1024)", n_threads);
        return NULL;
    }
    struct threads *t = aligned_alloc(64, ALIGN_UP(sizeof *t, 64));
    struct worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (!t || !workers) {
        free(t);
        free(workers);
        err_memory(e, "out of memory for %d threads", n_threads);
        return NULL;
    }
    *t = (struct threads){.pool = {.n_threads = 1, .run = run_all}, .workers = workers};
    t->spin = n_threads <= machine_processors() ? SPIN_ROUNDS : 0;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->done, NULL);
    cpu_flush_denormals();
    for (int i = 1; i < n_threads; i++) {
        sigset_t before;
        workers[i] = (struct worker){.threads = t, .index = (size_t)i};
        signals_hold(&before); /* signals are for the thread that knows what it is doing */
        int code = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        signals_release(&before);
        if (code) {
            errno = code;
            err_errno(e, "cannot start thread %d of %d", i + 1, n_threads);
            threads_free(&t->pool);
            return NULL;
        }
        t->pool.n_threads = i + 1;
    }
    return &t->pool;
}

void threads_free(struct pool *p)
{
    struct threads *t = (struct threads *)p;
    if (!t)
        return;
    atomic_store(&t->stop, true);
    announce(t);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}
