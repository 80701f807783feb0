#include "os/plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/cpu.h"

/* A round of tasks; one without tasks is what was done outside of rounds. Its times are those of
 * the tasks, or the one; of a pipeline, those of its stages. */
struct round {
    int phase;
    bool pipeline;
    size_t n_tasks; /* or pieces */
    size_t first;   /* of its times */
};

enum { NO_PHASE = -1 }; /* not known yet */

struct plan {
    struct pool pool; /* the first member */
    struct round *rounds;
    size_t n_rounds, rounds_room;
    double *times; /* seconds of tasks, the least of all steps */
    size_t n_times, times_room;
    double *free_at;                /* [n_threads] scratch of the projection */
    bool recording;                 /* a step is under way */
    bool recorded;                  /* what is done has been done before, and is compared */
    bool again;                     /* so it is up to the end of the phase */
    size_t round, time;             /* then: where in that it is */
    size_t phase_round, phase_time; /* where the last phase began, */
    size_t next_round, next_time;   /* and the one after it */
    double cost;                    /* of asking for the time */
    double mark;                    /* when the last round ended */
    enum pool_stage stage;          /* of the pipeline under way */
    double staged;                  /* when it began */
    double stages[POOL_N_STAGES];
    size_t n_pieces;
    bool differs, starved;
};

/* Of this thread, which others may keep waiting. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What seconds() itself takes, which every time has once. */
static double clock_cost(void)
{
    double least = 1;
    for (int i = 0; i < 1000; i++) {
        double before = seconds();
        double took = seconds() - before;
        least = MIN(least, took);
    }
    return least;
}

static void note_time(struct plan *p, double took)
{
    took = MAX(0.0, took - p->cost);
    if (p->recorded) {
        if (p->time < p->n_times)
            p->times[p->time] = MIN(p->times[p->time], took);
        p->time++;
        return;
    }
    p->starved |= array_reserve(&p->times, &p->times_room, p->n_times + 1, sizeof *p->times) != 0;
    if (!p->starved)
        p->times[p->n_times++] = took;
}

static void note_round(struct plan *p, bool pipeline, size_t n_tasks)
{
    if (p->recorded) {
        p->differs |= p->round >= p->n_rounds || p->rounds[p->round].n_tasks != n_tasks;
        p->round++;
        return;
    }
    p->starved |=
        array_reserve(&p->rounds, &p->rounds_room, p->n_rounds + 1, sizeof *p->rounds) != 0;
    if (!p->starved)
        p->rounds[p->n_rounds++] = (struct round){NO_PHASE, pipeline, n_tasks, p->n_times};
}

/* What has been done since the last round. */
static void note_serial(struct plan *p)
{
    double now = seconds();
    note_round(p, false, 0);
    note_time(p, now - p->mark);
    p->mark = seconds();
}

static enum pool_stage enter_stage(struct pool *pool, enum pool_stage stage)
{
    struct plan *p = (struct plan *)pool;
    enum pool_stage before = p->stage;
    double now = seconds();
    p->stages[before] += now - p->staged;
    p->n_pieces += stage == POOL_TAKE;
    p->stage = stage;
    p->staged = now;
    return before;
}

static double run_task(pool_task *run, void *context, size_t task)
{
    double before = seconds();
    run(context, task, 0);
    return seconds() - before;
}

static void run_all(struct pool *pool, pool_task *run, void *context, size_t n_tasks)
{
    struct plan *p = (struct plan *)pool;
    if (p->recording)
        note_serial(p);
    memset(p->stages, 0, sizeof p->stages);
    p->n_pieces = 0;
    p->stage = POOL_MAKE;
    p->staged = seconds();
    double took = run_task(run, context, 0);
    p->stages[p->stage] += seconds() - p->staged;
    bool pipeline = p->n_pieces > 0;
    if (p->recording) {
        note_round(p, pipeline, pipeline ? p->n_pieces : n_tasks);
        for (size_t i = 0; i < POOL_N_STAGES && pipeline; i++)
            note_time(p, p->stages[i]);
        if (!pipeline)
            note_time(p, took);
    }
    for (size_t task = 1; task < n_tasks; task++) {
        took = run_task(run, context, task);
        if (p->recording && !pipeline)
            note_time(p, took);
    }
    p->mark = seconds();
}

struct pool *plan_new(int n_threads, struct err *e)
{
    struct plan *p = calloc(1, sizeof *p);
    double *free_at = calloc((size_t)n_threads, sizeof *free_at);
    if (!p || !free_at) {
        free(p);
        free(free_at);
        err_memory(e, "out of memory");
        return NULL;
    }
    cpu_flush_denormals();
    *p = (struct plan){.pool = {.n_threads = n_threads, .run = run_all, .stage = enter_stage},
                       .free_at = free_at,
                       .cost = clock_cost()};
    return &p->pool;
}

void plan_free(struct pool *pool)
{
    struct plan *p = plan_of(pool);
    if (!p)
        return;
    free(p->rounds);
    free(p->times);
    free(p->free_at);
    free(p);
}

struct plan *plan_of(struct pool *p)
{
    return (struct plan *)p;
}

void plan_end_phase(struct plan *p, int phase)
{
    if (!p || !p->recording)
        return;
    note_serial(p);
    for (size_t i = p->n_rounds; i > 0 && p->rounds[i - 1].phase == NO_PHASE; i--)
        p->rounds[i - 1].phase = phase;
    if (p->again) {
        p->differs |= p->round != p->next_round;
        p->recorded = p->again = false;
        return;
    }
    p->phase_round = p->next_round;
    p->phase_time = p->next_time;
    p->next_round = p->n_rounds;
    p->next_time = p->n_times;
}

void plan_again(struct plan *p)
{
    p->recorded = p->again = true;
    p->round = p->phase_round;
    p->time = p->phase_time;
    p->mark = seconds();
}

void plan_begin_step(struct plan *p)
{
    p->recorded = p->n_rounds > 0;
    p->recording = true;
    p->round = 0;
    p->time = 0;
    p->mark = seconds();
}

int plan_end_step(struct plan *p, struct err *e)
{
    p->recording = false;
    if (p->starved)
        return err_memory(e, "out of memory");
    if (p->differs || (p->recorded && p->round != p->n_rounds))
        return err_set(e, "the steps have different tasks: there is nothing to plan");
    return 0;
}

/* When the last of the tasks is done. */
static double makespan(const struct plan *p, const double *times, size_t n_tasks)
{
    size_t n = (size_t)p->pool.n_threads;
    double end = 0;
    memset(p->free_at, 0, n * sizeof *p->free_at);
    for (size_t task = 0; task < n_tasks; task++) {
        size_t first = 0;
        for (size_t i = 1; i < n; i++)
            if (p->free_at[i] < p->free_at[first])
                first = i;
        p->free_at[first] += times[task];
        end = MAX(end, p->free_at[first]);
    }
    return end;
}

static double of_pipeline(const struct plan *p, const double *stages, double *serial)
{
    double all = 0;
    for (size_t i = 0; i < POOL_N_STAGES; i++)
        all += stages[i];
    *serial = MAX(stages[POOL_MAKE], stages[POOL_TAKE]);
    return MAX(*serial, all / p->pool.n_threads);
}

static size_t n_times(const struct round *r)
{
    return r->pipeline ? POOL_N_STAGES : MAX(r->n_tasks, (size_t)1);
}

void plan_phase(const struct plan *p, int phase, struct plan_phase *out)
{
    *out = (struct plan_phase){0};
    for (size_t i = 0; i < p->n_rounds; i++) {
        const struct round *r = &p->rounds[i];
        const double *times = p->times + r->first;
        double serial = 0;
        if (r->phase != phase)
            continue;
        for (size_t k = 0; k < n_times(r); k++)
            out->one += times[k];
        if (r->n_tasks == 0) {
            out->serial += times[0];
            out->planned += times[0];
            continue;
        }
        out->n_tasks += r->n_tasks;
        out->n_rounds++;
        out->planned +=
            r->pipeline ? of_pipeline(p, times, &serial) : makespan(p, times, r->n_tasks);
        out->planned += 1e-6 * (PLAN_ROUND_US + PLAN_THREAD_US * p->pool.n_threads);
        out->serial += serial;
    }
}
