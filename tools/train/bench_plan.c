#include "train/bench.h"

#include "cli/cli.h"
#include "os/plan.h"

enum { N_STEPS = 16 }; /* the least time of each task counts */

static int run_steps(struct trainer *t, struct err *e)
{
    struct plan *p = plan_of(t->pool);
    struct trainer_step step;
    t->phases.plan = p;
    for (int i = 0; i < N_STEPS && !cli_caught(); i++) {
        phases_start(&t->phases);
        plan_begin_step(p);
        if (trainer_step(t, &step, e) || plan_end_step(p, e))
            return -1;
    }
    return 0;
}

int bench_plan(struct trainer *t, struct err *e)
{
    if (run_steps(t, e))
        return -1;
    if (!cli_caught() && trainer_is_first(t))
        cli_plan(plan_of(t->pool), pool_threads(t->pool), phases_names, PHASE_N, "step");
    return 0;
}
