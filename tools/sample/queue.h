/* queue.h - what the tellers of all threads share: which story is to be told next, and whose turn
 * it is to be shown.
 *
 * Stories are given out in the order of their prompts and shown in that order. The oldest that has
 * not ended is shown while it is told; later ones wait until it has. Tellers get even shares
 * of what is at hand. Lines are read by a teller that needs a story, and only an idle teller waits
 * for them, so a line is told when it comes.
 *
 * All functions but init and release may be called by all threads. */
#ifndef QUEUE_H
#define QUEUE_H

#include "os/lock.h"
#include "sample/output.h"

/* About how many ended stories may wait to be shown after a long one: then no more are given out,
 * so that memory stays bounded however many prompts come. */
enum { QUEUE_ENDED = 4096 };

struct queue {
    struct prompts *prompts;
    struct output *output;
    const struct stop *stop;
    size_t n_tellers;
    struct lock *lock; /* of all that follows, and of prompts and output */
    int wake[2];       /* a pipe: readable when the teller that waits for lines must stop waiting */
    bool reading;      /* a teller waits for lines */
    bool failed;
    struct err error;    /* the first */
    size_t n_active;     /* stories being told */
    size_t n_ended;      /* stories that have ended and not been shown */
    struct story *first; /* given out and not yet shown to the end, in order */
    struct story *last;
    struct story *spare; /* to be used again */
};

/* Tellers have the numbers [0, n_tellers). queue_release in any case. */
MUST_USE int queue_init(struct queue *q, struct prompts *p, struct output *o,
                        const struct stop *stop, size_t n_tellers, struct err *e);
void queue_release(struct queue *q);

/* A story to be told by `teller`, which is telling n_mine others. NULL if there is none for it now;
 * while n_mine is 0 it waits, and NULL means that there will be none. */
struct story *queue_take(struct queue *q, size_t teller, size_t n_mine);

/* Shows what is new if it is the turn of one of the teller's stories, which nobody changes
 * meanwhile. *alone: the teller's is the only story being told. False after a failure: everything
 * must end. */
bool queue_show(struct queue *q, size_t teller, bool *alone);

/* Gives back a story that has ended. */
void queue_done(struct queue *q, struct story *s);

/* Stops everything: queue_show gives false and queue_take NULL from now on. */
void queue_fail(struct queue *q, const struct err *e);

#endif
