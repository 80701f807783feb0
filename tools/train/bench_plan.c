#include "train/bench.h"

#include <stdio.h>

#include "cli/cli.h"
#include "train/plan.h"

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

static double efficiency(const struct plan_phase *f, int n_threads)
{
    return f->one / (f->planned * n_threads);
}

static void add(struct plan_phase *sum, const struct plan_phase *f)
{
    sum->n_rounds += f->n_rounds;
    sum->n_tasks += f->n_tasks;
    sum->one += f->one;
    sum->serial += f->serial;
    sum->planned += f->planned;
}

static void print_line(const char *name, const struct plan_phase *f, int n_threads)
{
    printf("%-10s %8.2f %8zu %8zu %10.3f %10.3f %10.2f\n", name, f->one * 1e3, f->n_rounds,
           f->n_tasks, f->serial * 1e3, f->planned * 1e3, efficiency(f, n_threads));
}

static void print_json(struct cli_json *j, const char *name, const struct plan_phase *f,
                       int n_threads)
{
    cli_json_object(j, name);
    cli_json_real(j, "ms", f->one * 1e3);
    cli_json_uint(j, "rounds", f->n_rounds);
    cli_json_uint(j, "tasks", f->n_tasks);
    cli_json_real(j, "serial_ms", f->serial * 1e3);
    cli_json_real(j, "projected_ms", f->planned * 1e3);
    cli_json_real(j, "efficiency", efficiency(f, n_threads));
    cli_json_object_end(j);
}

static void print(const struct trainer *t)
{
    int n = pool_threads(t->pool);
    struct plan_phase f;
    struct plan_phase all = {0};
    struct cli_json j;
    if (cli.json) {
        cli_json_begin(&j, stdout);
        cli_json_int(&j, "projected_threads", n);
        cli_json_object(&j, "phases");
    } else {
        printf("%-10s %8s %8s %8s %10s %10s %10s\n", "phase", "ms", "rounds", "tasks", "alone ms",
               "projected", "efficiency");
    }
    for (int phase = 0; phase < PHASE_N; phase++) {
        plan_phase(plan_of(t->pool), phase, &f);
        if (f.n_tasks == 0)
            continue;
        add(&all, &f);
        if (cli.json)
            print_json(&j, phases_names[phase], &f, n);
        else
            print_line(phases_names[phase], &f, n);
    }
    if (cli.json) {
        cli_json_object_end(&j);
        print_json(&j, "step", &all, n);
        cli_json_end(&j);
        return;
    }
    print_line("all", &all, n);
    printf("a projection for %d threads: from the tasks of a step, what each takes alone, %g us a "
           "round and\n%g us a thread and round; threads take more from each other than that\n",
           n, PLAN_ROUND_US, PLAN_THREAD_US);
}

int bench_plan(struct trainer *t, struct err *e)
{
    if (run_steps(t, e))
        return -1;
    if (!cli_caught() && trainer_is_first(t))
        print(t);
    return 0;
}
