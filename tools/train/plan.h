/* plan.h - what a step would take on more threads than there are: a projection, for train --bench
 * --plan-threads N.
 *
 * A pool for N workers that runs all tasks itself, one after the other, and takes the time of each;
 * the least of some steps counts. What N threads would take follows from that: tasks go in their
 * order to the thread that is free first (os/threads.h), every round of tasks costs PLAN_ROUND_US
 * and PLAN_THREAD_US a thread to begin and to end, and what is done between rounds is done by one.
 * Contention between threads is left out: caches, memory, clock rate. */
#ifndef PLAN_H
#define PLAN_H

#include "base/err.h"
#include "base/pool.h"
#include "train/phases.h"

#define PLAN_ROUND_US 1.0
#define PLAN_THREAD_US 0.15

struct plan;

struct pool *plan_new(int n_threads, struct err *e);
void plan_free(struct pool *p); /* one that plan_new made; NULL is fine */

/* Called by phases_end, for phases that belong to a plan. */
void plan_end_phase(struct plan *p, enum phase phase);

/* All between these two is one step, with the same tasks as those before it. -1 if it was not, or
 * memory ran out.
 */
void plan_begin_step(struct plan *p);
MUST_USE int plan_end_step(struct plan *p, struct err *e);

/* The plan of a pool that plan_new made. */
struct plan *plan_of(struct pool *p);

/* A phase of a step; efficiency is its time on one thread by N times the projected one. */
struct plan_phase {
    size_t n_rounds, n_tasks;
    double one;     /* seconds on one thread */
    double serial;  /* of them those outside of tasks */
    double planned; /* seconds projected */
};
void plan_phase(const struct plan *p, int phase, struct plan_phase *out);

#endif
