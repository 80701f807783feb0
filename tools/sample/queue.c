#include "sample/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

int queue_init(struct queue *q, struct prompts *p, struct output *o, const struct stop *stop,
               size_t n_tellers, struct err *e)
{
    *q = (struct queue){
        .prompts = p, .output = o, .stop = stop, .n_tellers = n_tellers, .wake = {-1, -1}};
    q->lock = lock_new(e);
    if (!q->lock)
        return -1;
    if (pipe2(q->wake, O_CLOEXEC) != 0) {
        q->wake[0] = q->wake[1] = -1;
        return err_errno(e, "cannot make a pipe");
    }
    return 0;
}

static void free_stories(struct story *s)
{
    while (s) {
        struct story *next = s->next;
        story_free(s);
        s = next;
    }
}

void queue_release(struct queue *q)
{
    free_stories(q->first);
    free_stories(q->spare);
    for (int i = 0; i < 2; i++)
        if (q->lock && q->wake[i] >= 0) /* a zeroed queue has no lock, and no pipe */
            close(q->wake[i]);
    lock_free(q->lock);
    *q = (struct queue){.wake = {-1, -1}};
}

/* ---- inside the lock ------------------------------------------------------------------------- */

static void fail(struct queue *q, const struct err *e)
{
    if (!q->failed) {
        q->failed = true;
        q->error = *e;
        (void)!write(q->wake[1], "", 1); /* an empty pipe takes a byte */
    }
    lock_wake(q->lock);
}

/* Puts a prompt into a story, after all others. */
static struct story *give(struct queue *q, const struct prompt *p, size_t teller)
{
    struct err e;
    struct story *s = q->spare;
    if (s)
        q->spare = s->next;
    else if (!(s = story_new(q->stop)))
        err_memory(&e, "out of memory for a story");
    if (!s || story_start(s, q->stop, p, &e)) {
        story_free(s);
        fail(q, &e);
        return NULL;
    }
    s->teller = teller;
    if (q->first)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
    q->n_active++;
    return s;
}

/* Even shares: so there is always a teller that may take what is at hand. */
static bool may_take(const struct queue *q, size_t n_mine)
{
    return n_mine < DIV_UP(q->n_active + prompts_waiting(q->prompts), q->n_tellers);
}

static void read_lines(struct queue *q)
{
    struct err e;
    if (prompts_read(q->prompts, &e))
        fail(q, &e);
    lock_wake(q->lock);
}

/* Reads lines that are there; true if any could be read. */
static bool read_present(struct queue *q)
{
    struct pollfd p = {.fd = q->prompts->fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return false;
    read_lines(q);
    return true;
}

/* Waits for lines, outside the lock, and reads them. */
static void read_later(struct queue *q)
{
    struct pollfd p[2] = {{.fd = q->prompts->fd, .events = POLLIN},
                          {.fd = q->wake[0], .events = POLLIN}};
    q->reading = true;
    lock_leave(q->lock);
    int n = poll(p, 2, -1);
    int code = errno;
    lock_enter(q->lock);
    q->reading = false;
    if (n < 0 && code != EINTR) {
        struct err e;
        errno = code;
        err_errno(&e, "standard input");
        fail(q, &e);
    } else if (n > 0 && p[0].revents) {
        read_lines(q);
    }
    lock_wake(q->lock);
}

static void put_aside(struct queue *q)
{
    struct story *s = q->first;
    if (q->n_ended-- >= QUEUE_ENDED)
        lock_wake(q->lock); /* a teller may wait for room */
    q->first = s->next;
    s->next = q->spare;
    q->spare = s;
}

/* Shows what has its turn: of stories that have ended all, of the first that has not what is new,
 * if it belongs to the teller (another's must not be touched). */
static void show(struct queue *q, size_t teller)
{
    struct err e;
    while (!q->failed && q->first && q->first->ended) {
        if (output_end(q->output, q->first, &e))
            fail(q, &e);
        else
            put_aside(q);
    }
    if (!q->failed && q->first && q->first->teller == teller &&
        output_show(q->output, q->first, &e))
        fail(q, &e);
}

/* ---- called by tellers ----------------------------------------------------------------------- */

struct story *queue_take(struct queue *q, size_t teller, size_t n_mine)
{
    struct story *s = NULL;
    struct prompt p;
    lock_enter(q->lock);
    while (!q->failed) {
        if (q->n_ended >= QUEUE_ENDED) {
            if (n_mine > 0)
                break;
            lock_wait(q->lock);
            continue;
        }
        if (!may_take(q, n_mine) && !prompts_open(q->prompts))
            break;
        if (may_take(q, n_mine) && prompts_next(q->prompts, &p)) {
            s = give(q, &p, teller);
            break;
        }
        if (!prompts_open(q->prompts))
            break;
        if (n_mine > 0) {
            if (q->reading || prompts_waiting(q->prompts) > 0 || !read_present(q))
                break;
        } else if (q->reading) {
            lock_wait(q->lock);
        } else {
            read_later(q);
        }
    }
    lock_leave(q->lock);
    return s;
}

bool queue_show(struct queue *q, size_t teller, bool *alone)
{
    lock_enter(q->lock);
    show(q, teller);
    *alone = q->n_active == 1;
    bool going = !q->failed;
    lock_leave(q->lock);
    return going;
}

void queue_done(struct queue *q, struct story *s)
{
    lock_enter(q->lock);
    s->ended = true;
    q->n_active--;
    q->n_ended++;
    show(q, s->teller);
    lock_leave(q->lock);
}

void queue_fail(struct queue *q, const struct err *e)
{
    lock_enter(q->lock);
    fail(q, e);
    lock_leave(q->lock);
}
