#include "os/pipeline.h"

#include <stdlib.h>

#include "os/lock.h"

/* Pieces are numbered as they are made: number i is in place i % n of their array, and n_taken <=
 * n_begun <= n_made <= n_taken + n. */
struct slot {
    bool worked; /* its piece may be taken, or has failed */
    bool failed;
    struct err err;
};

struct pipeline {
    const struct pipeline_stages *stages;
    struct pool *pool;
    char *pieces;       /* [n][size] */
    struct slot *slots; /* owned, [n] */
    size_t n, size;
    struct lock *lock; /* owned; of all that follows */
    uint64_t n_made, n_begun, n_taken;
    bool taking; /* a thread is at it */
    bool ended;  /* make has returned */
    bool failed;
    int made;                 /* what make has returned, and its error */
    struct err make_err, err; /* err: that of the piece that failed */
    size_t maker;             /* the worker that makes */
};

static void *piece(const struct pipeline *p, uint64_t number)
{
    return p->pieces + (size_t)(number % p->n) * p->size;
}

static struct slot *slot(const struct pipeline *p, uint64_t number)
{
    return &p->slots[number % p->n];
}

/* For a pool that wants to know; returns the stage before. */
static enum pool_stage enter(const struct pipeline *p, enum pool_stage stage)
{
    return p->pool && p->pool->stage ? p->pool->stage(p->pool, stage) : stage;
}

static bool is_done(const struct pipeline *p)
{
    return p->failed || (p->ended && p->n_taken == p->n_made);
}

static void take(struct pipeline *p)
{
    void *x = piece(p, p->n_taken);
    struct slot *s = slot(p, p->n_taken);
    p->taking = true;
    lock_leave(p->lock);
    enum pool_stage before = enter(p, POOL_TAKE);
    bool failed = s->failed || p->stages->take(p->stages->context, x, &s->err) != 0;
    enter(p, before);
    lock_enter(p->lock);
    p->taking = false;
    if (failed) {
        p->failed = true;
        p->err = s->err;
    } else {
        p->n_taken++;
    }
    lock_wake(p->lock);
}

static void work(struct pipeline *p, size_t worker)
{
    void *x = piece(p, p->n_begun);
    struct slot *s = slot(p, p->n_begun++);
    lock_leave(p->lock);
    enum pool_stage before = enter(p, POOL_WORK);
    s->failed = p->stages->work(p->stages->context, x, worker, &s->err) != 0;
    enter(p, before);
    lock_enter(p->lock);
    s->worked = true;
    lock_wake(p->lock);
}

/* Does work of the other stages, or waits until there is some. Inside the lock. */
static void help(struct pipeline *p, size_t worker)
{
    if (!p->taking && p->n_taken < p->n_begun && slot(p, p->n_taken)->worked)
        take(p);
    else if (p->n_begun < p->n_made)
        work(p, worker);
    else
        lock_wait(p->lock);
}

void *pipeline_piece(struct pipeline *p)
{
    lock_enter(p->lock);
    while (!p->failed && p->n_made == p->n_taken + p->n)
        help(p, p->maker);
    void *x = p->failed ? NULL : piece(p, p->n_made);
    lock_leave(p->lock);
    return x;
}

void pipeline_put(struct pipeline *p)
{
    lock_enter(p->lock);
    slot(p, p->n_made++)->worked = false;
    lock_wake(p->lock);
    lock_leave(p->lock);
}

/* A thread of the pool, from beginning to end. */
static void run_thread(void *context, size_t task, size_t worker)
{
    struct pipeline *p = context;
    if (task == 0) {
        p->maker = worker;
        enter(p, POOL_MAKE);
        p->made = p->stages->make(p->stages->context, p, &p->make_err);
    }
    lock_enter(p->lock);
    p->ended = p->ended || task == 0;
    lock_wake(p->lock);
    while (!is_done(p))
        help(p, worker);
    lock_leave(p->lock);
}

int pipeline_run(const struct pipeline_stages *stages, void *pieces, size_t n, size_t size,
                 struct pool *pool, struct err *e)
{
    struct pipeline p = {.stages = stages,
                         .pool = pool,
                         .pieces = pieces,
                         .n = n,
                         .size = size,
                         .lock = lock_new(e)};
    if (!p.lock)
        return -1;
    p.slots = calloc(n, sizeof *p.slots);
    if (!p.slots) {
        lock_free(p.lock);
        return err_memory(e, "out of memory for %zu pieces of work", n);
    }
    pool_run(pool, run_thread, &p, (size_t)pool_threads(pool));
    lock_free(p.lock);
    free(p.slots);
    if (!p.failed && !p.made)
        return 0;
    *e = p.failed ? p.err : p.make_err;
    return -1;
}
