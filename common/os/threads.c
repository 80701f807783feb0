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

/* A run is a gate: the caller opens it, workers that see it open enter, and the caller, when no
 * task is left to begin, closes it and waits for those inside. A worker that comes late, since it
 * slept or another program has its processor, is not waited for. The gate is one word, so nobody
 * enters a run other than the one seen open: the number of the run, whether it is open, how many
 * are inside. Nobody being inside, the caller may set the rest. */
enum { GATE_INSIDE = 0xffff, GATE_OPEN = 0x10000, GATE_RUN = 0x20000 };

struct threads {
    struct pool pool; /* what others see of it; the first member */
    int spin; /* 0 when there are more threads than processors: spinning would only steal time */
    struct worker *workers;

    pool_task *run;
    void *context;
    size_t n_tasks;
    _Alignas(64) atomic_size_t next;
    _Alignas(64) _Atomic(uint64_t) gate;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* a run was opened */
    pthread_cond_t done; /* the last has left a closed gate */
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

/* Returns when a run other than `seen` has been opened, with the gate as it was then. */
static uint64_t await_run(struct threads *t, uint64_t seen)
{
    uint64_t gate;
    for (int i = 0; i < t->spin; i++) {
        gate = atomic_load_explicit(&t->gate, memory_order_acquire);
        if (gate / GATE_RUN != seen)
            return gate;
        spin_pause();
    }
    pthread_mutex_lock(&t->lock);
    while ((gate = atomic_load(&t->gate)) / GATE_RUN == seen)
        pthread_cond_wait(&t->wake, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return gate;
}

static void open_gate(struct threads *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t run = atomic_load_explicit(&t->gate, memory_order_relaxed) / GATE_RUN;
    atomic_store_explicit(&t->gate, (run + 1) * GATE_RUN + GATE_OPEN, memory_order_release);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

/* Whether the run is still open; `gate` is as it was seen. */
static bool enter(struct threads *t, uint64_t gate)
{
    uint64_t run = gate / GATE_RUN;
    while (gate & GATE_OPEN && gate / GATE_RUN == run)
        if (atomic_compare_exchange_weak_explicit(&t->gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void leave(struct threads *t)
{
    uint64_t before = atomic_fetch_sub_explicit(&t->gate, 1, memory_order_acq_rel);
    if (before & GATE_OPEN || (before & GATE_INSIDE) > 1)
        return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->done);
    pthread_mutex_unlock(&t->lock);
}

static void close_gate(struct threads *t)
{
    atomic_fetch_and_explicit(&t->gate, ~(uint64_t)GATE_OPEN, memory_order_acq_rel);
    for (int i = 0; i < t->spin; i++) {
        if ((atomic_load_explicit(&t->gate, memory_order_acquire) & GATE_INSIDE) == 0)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->gate) & GATE_INSIDE)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct threads *t = w->threads;
    cpu_flush_denormals();
    for (uint64_t seen = 0;;) {
        uint64_t gate = await_run(t, seen);
        if (atomic_load(&t->stop))
            return NULL;
        seen = gate / GATE_RUN;
        if (enter(t, gate)) {
            work(t, w->index);
            leave(t);
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
    open_gate(t);
    work(t, 0);
    close_gate(t);
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
    open_gate(t);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}
