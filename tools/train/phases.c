#include "train/phases.h"

#include "os/clock.h"
#include "os/plan.h"

const char *const phases_names[PHASE_N] = {
    [PHASE_PACK] = "pack",       [PHASE_FORWARD] = "forward",   [PHASE_HEAD] = "head",
    [PHASE_EMBED] = "embed",     [PHASE_GLU] = "glu",           [PHASE_CONV] = "conv",
    [PHASE_WEIGHTS] = "weights", [PHASE_EXCHANGE] = "exchange", [PHASE_OPTIMISE] = "optimise",
    [PHASE_REST] = "rest",
};

void phases_start(struct phases *p)
{
    *p = (struct phases){.plan = p->plan, .mark = clock_seconds()};
}

void phases_end(struct phases *p, enum phase phase)
{
    double now = clock_seconds();
    p->seconds[phase] += now - p->mark;
    p->mark = now;
    plan_end_phase(p->plan, (int)phase);
}
