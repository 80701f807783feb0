/* plan.h - what work would take on more threads than there are: a projection, for --plan-threads N.
 *
 * A pool for N workers that runs all tasks itself, one after the other, and takes the time of each;
 * where a step is recorded several times, the least counts. What N threads would take follows from
 * that: tasks go in their order to whoever is free first (os/threads.h), every round of tasks costs
 * PLAN_ROUND_US and PLAN_THREAD_US a thread to begin and to end, and what is done between rounds is
 * done by one. A pipeline (os/pipeline.h) takes as long as the stage of making, as that of taking,
 * or as all three shared by all threads, whichever is longest. Left out is what threads take from
 * each other: caches, memory, clock rate; and what waits for a disk. */
#ifndef PLAN_H
#define PLAN_H

#include "base/err.h"
#include "base/pool.h"

#define PLAN_ROUND_US 1.0
#define PLAN_THREAD_US 0.15

struct plan;

struct pool *plan_new(int n_threads, struct err *e);
void plan_free(struct pool *p); /* one that plan_new made; NULL is fine */

/* The plan of a pool that plan_new made. */
struct plan *plan_of(struct pool *p);

/* What is done from plan_begin_step to plan_end_step is recorded: a step, which may come again and
 * then has the same rounds. -1 if it had others, or memory ran out. */
void plan_begin_step(struct plan *p);
MUST_USE int plan_end_step(struct plan *p, struct err *e);

/* Within a step: what was done since the last phase, or since its begin, belongs to `phase`, 0 or
 * more. Nothing is done if p is NULL. */
void plan_end_phase(struct plan *p, int phase);

/* What is done from now to the next plan_end_phase is the phase that has just ended once more: of
 * each time the least counts. */
void plan_again(struct plan *p);

/* A phase of a step; efficiency is its time on one thread by N times the projected one. */
struct plan_phase {
    size_t n_rounds, n_tasks; /* tasks, and pieces of pipelines */
    double one;               /* seconds on one thread */
    double serial;            /* of them those that only one thread can have at a time */
    double planned;           /* seconds projected */
};
void plan_phase(const struct plan *p, int phase, struct plan_phase *out);

#endif
