#include "train/schedule.h"

#include <string.h>

#include "base/fmath.h"

const char *const schedule_names[] = {"cosine", "linear", NULL};

int schedule_find(const char *name)
{
    for (int i = 0; schedule_names[i]; i++)
        if (strcmp(schedule_names[i], name) == 0)
            return i;
    return -1;
}

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
    if (s->shape == SCHEDULE_COSINE)
        return warm * (floor + 0.5 * (s->lr - floor) * (1 + fmath_cospi(progress)));
    return warm * (floor + (s->lr - floor) * MIN(1.0, (1 - progress) / s->decay_share));
}
