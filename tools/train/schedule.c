#include "train/schedule.h"

#include "base/fmath.h"

static const double WARM_UP_STEPS = 500;
static const double WARM_UP_SHARE = 0.1;

double schedule_progress(const struct schedule *s, double before, uint64_t step, double elapsed)
{
    double progress = MAX(before, (double)step / (double)s->n_steps);
    if (s->hours > 0)
        progress = MAX(progress, elapsed / (3600 * s->hours));
    return MIN(progress, 1.0);
}

double schedule_lr(const struct schedule *s, double progress, uint64_t step)
{
    double by_steps =
        ((double)step + 1) / MIN(WARM_UP_STEPS, MAX(1, WARM_UP_SHARE * (double)s->n_steps));
    double by_share = progress / WARM_UP_SHARE;
    double warm = MIN(1.0, MAX(by_steps, by_share));
    double floor = MIN(s->min_lr, s->lr);
    return warm * (floor + 0.5 * (s->lr - floor) * (1 + fmath_cospi(progress)));
}
