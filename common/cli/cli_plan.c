#include "cli/cli.h"

#include <stdio.h>

#include "os/plan.h"

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

static void print_note(int n_threads)
{
    printf("a projection for %d threads: from the tasks, what each takes alone, %g us a round\n"
           "and %g us a thread and round; threads take more from each other than that\n",
           n_threads, PLAN_ROUND_US, PLAN_THREAD_US);
}

void cli_plan(const struct plan *p, int n_threads, const char *const *names, int n_phases,
              const char *all)
{
    struct plan_phase f;
    struct plan_phase sum = {0};
    struct cli_json j;
    if (cli.json) {
        cli_json_begin(&j, stdout);
        cli_json_int(&j, "projected_threads", n_threads);
        cli_json_object(&j, "phases");
    } else {
        printf("%-10s %8s %8s %8s %10s %10s %10s\n", "phase", "ms", "rounds", "tasks", "alone ms",
               "projected", "efficiency");
    }
    for (int phase = 0; phase < n_phases; phase++) {
        plan_phase(p, phase, &f);
        if (f.one <= 0)
            continue;
        add(&sum, &f);
        if (cli.json)
            print_json(&j, names[phase], &f, n_threads);
        else
            print_line(names[phase], &f, n_threads);
    }
    if (cli.json) {
        cli_json_object_end(&j);
        print_json(&j, all, &sum, n_threads);
        cli_json_end(&j);
        return;
    }
    print_line("all", &sum, n_threads);
    print_note(n_threads);
}
