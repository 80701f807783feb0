/* schedule.h - how far a run is, and the learning rate that follows from it.
 *
 * A run has a budget: steps, and perhaps hours. Its progress is the larger of the steps' share and
 * the clock's share, and never runs backwards, so a run that the clock ends has decayed by then. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "base/base.h"

enum schedule_shape {
    SCHEDULE_COSINE, /* falls from lr to min_lr (Loshchilov and Hutter 2017, eq. 5) */
    SCHEDULE_LINEAR, /* stays at lr, then falls on a straight line over the last decay_share */
};
extern const char *const schedule_names[]; /* in their order, NULL after the last */

struct schedule {
    uint64_t n_steps;   /* the budget, > 0 */
    double hours;       /* 0: no clock, and progress depends on steps alone */
    double lr;          /* highest learning rate */
    double min_lr;      /* at the end */
    int shape;          /* enum schedule_shape */
    double decay_share; /* of the budget, in (0, 1]; with SCHEDULE_LINEAR */
};

/* The shape of this name, or -1. */
int schedule_find(const char *name);

/* max(before, step / n_steps, elapsed / hours), at most 1. elapsed in seconds over all resumes. */
double schedule_progress(const struct schedule *s, double before, uint64_t step, double elapsed);

/* Learning rate of the step after `step` steps done. Linear warm-up over min(500 steps, 10 % of the
 * budget): the larger of (step+1)/500 and progress/0.1, at most 1; times the shape between lr and
 * min_lr at `progress`. */
double schedule_lr(const struct schedule *s, double progress, uint64_t step);

#endif
