#include "corpus/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "os/lock.h"
#include "os/threads.h"

enum { BLOCK = 1 << 17, N_BLOCKS = 4 };

/* Blocks are numbered as they are read: number i is in place i % N_BLOCKS, and n_used <= n_read <=
 * n_used + N_BLOCKS. */
struct ahead {
    struct source source;
    struct source *from;
    ahead_use *use;
    void *context;
    bool begun, used;        /* by the thread that reads, by the caller */
    struct lock *lock;       /* owned; of all that follows but the bytes */
    uint64_t n_read, n_used; /* that which is being used is not counted yet */
    bool using;              /* block n_used was handed out */
    bool ended;              /* no block is read any more */
    bool stopped;            /* nor used */
    int failed;              /* why it ended, and the error of `from` */
    struct err fault;
    int rc; /* of use, and its error */
    struct err *err;
    size_t n[N_BLOCKS]; /* bytes of each */
    char blocks[N_BLOCKS][BLOCK];
};

/* ---- reading --------------------------------------------------------------------------------- */

/* The next place that is free, NULL when there is no use for it any more. */
static char *free_block(struct ahead *a)
{
    lock_enter(a->lock);
    while (a->n_read == a->n_used + N_BLOCKS && !a->stopped)
        lock_wait(a->lock);
    char *block = a->stopped ? NULL : a->blocks[a->n_read % N_BLOCKS];
    lock_leave(a->lock);
    return block;
}

static void put_block(struct ahead *a, size_t n)
{
    lock_enter(a->lock);
    a->n[a->n_read++ % N_BLOCKS] = n;
    lock_wake(a->lock);
    lock_leave(a->lock);
}

static int read_all(struct ahead *a)
{
    const char *data;
    size_t n;
    for (;;) {
        if (source_next(a->from, &data, &n, &a->fault))
            return -1;
        if (!n)
            return 0;
        for (size_t done = 0, step; done < n; done += step) {
            char *block = free_block(a);
            if (!block)
                return 0;
            step = MIN(n - done, (size_t)BLOCK);
            memcpy(block, data + done, step);
            put_block(a, step);
        }
    }
}

static void read_ahead(struct ahead *a)
{
    a->begun = true;
    int failed = read_all(a);
    lock_enter(a->lock);
    a->failed = failed;
    a->ended = true;
    lock_wake(a->lock);
    lock_leave(a->lock);
}

/* ---- using ----------------------------------------------------------------------------------- */

static int next(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct ahead *a = (struct ahead *)source;
    lock_enter(a->lock);
    if (a->using) {
        a->n_used++;
        a->using = false;
        lock_wake(a->lock);
    }
    while (a->n_used == a->n_read && !a->ended)
        lock_wait(a->lock);
    a->using = a->n_used < a->n_read;
    size_t place = a->n_used % N_BLOCKS;
    *data = a->blocks[place];
    *n = a->using ? a->n[place] : 0;
    int rc = a->using ? 0 : a->failed;
    if (rc)
        *e = a->fault;
    lock_leave(a->lock);
    return rc;
}

static void use_all(struct ahead *a)
{
    a->used = true;
    a->rc = a->use(a->context, &a->source, a->err);
    lock_enter(a->lock);
    a->stopped = true;
    lock_wake(a->lock);
    lock_leave(a->lock);
}

/* One of two tasks. Each thread has its own side, even if it takes both of them. */
static void run_side(void *context, size_t task, size_t worker)
{
    struct ahead *a = context;
    (void)task;
    if (worker == 0 && !a->used)
        use_all(a);
    if (worker == 1 && !a->begun)
        read_ahead(a);
}

int ahead_run(struct source *from, ahead_use *use, void *context, struct err *e)
{
    struct err ignored;
    struct ahead *a = malloc(sizeof *a);
    struct lock *lock = a ? lock_new(&ignored) : NULL;
    struct pool *two = lock ? threads_new(2, &ignored) : NULL;
    int rc;
    if (two) {
        memset(a, 0, offsetof(struct ahead, blocks));
        a->source.next = next;
        a->from = from;
        a->use = use;
        a->context = context;
        a->lock = lock;
        a->err = e;
        pool_run(two, run_side, a, 2);
        if (!a->used) /* the other thread has read all, and taken both tasks */
            use_all(a);
        rc = a->rc;
    } else {
        rc = use(context, from, e);
    }
    threads_free(two);
    lock_free(lock);
    free(a);
    return rc;
}
