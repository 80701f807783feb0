/* schedule.h - how far a run is, and the learning rate that follows from it.
 *
 * A run has a budget: steps, and perhaps hours. Its progress is the larger of the steps' share and
 * the clock's share, and never runs backwards, so a run that the clock ends really decays. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "base/base.h"

struct schedule {
    uint64_t n_steps; /* the budget, > 0 */
    double hours;     /* 0: no clock, and progress depends on steps alone */
    double lr;        /* highest learning rate */
    double min_lr;    /* at the end */
};

/* max(before, step / n_steps, elapsed / hours), at most 1. elapsed in seconds over all resumes. */
double schedule_progress(const struct schedule *s, double before, uint64_t step, double elapsed);

/* Learning rate of the step after `step` steps done. Linear warm-up over min(500 steps, 10 % of the
 * budget): the larger of (step+1)/500 and progress/0.1, at most 1; times the cosine from lr to
 * min_lr (Loshchilov and Hutter 2017, eq. 5) at `progress`. */
double schedule_lr(const struct schedule *s, double progress, uint64_t step);

#endif
