#include "train/optim.h"

#include <math.h>

#include "base/fmath.h"

enum { CHUNK = 16384 }; /* floats of one task */

struct optim_options optim_defaults(void)
{
    return (struct optim_options){
        .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.01, .clip = 1.0};
}

void optim_init(struct optim *o, const struct optim_options *options, size_t n, struct arena *a)
{
    *o = (struct optim){.options = *options, .n = n};
    o->m = arena_alloc(a, n, sizeof *o->m);
    o->v = arena_alloc(a, n, sizeof *o->v);
    o->sums = arena_alloc(a, DIV_UP(n, (size_t)CHUNK), sizeof *o->sums);
}

struct job {
    struct optim *optim;
    const struct kern *kern;
    float *params;
    const float *g;
    struct kern_adamw step;
};

static void sum_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct job *j = context;
    size_t first = task * CHUNK;
    j->optim->sums[task] = j->kern->sum_sq(j->g + first, MIN((size_t)CHUNK, j->optim->n - first));
}

static void step_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct job *j = context;
    struct optim *o = j->optim;
    size_t first = task * CHUNK;
    j->kern->adamw(j->params + first, j->g + first, o->m + first, o->v + first,
                   MIN((size_t)CHUNK, o->n - first), &j->step);
}

double optim_norm(struct optim *o, const struct kern *k, struct pool *p, const float *g)
{
    struct job j = {.optim = o, .kern = k, .g = g};
    size_t n_chunks = DIV_UP(o->n, (size_t)CHUNK);
    pool_run(p, sum_task, &j, n_chunks);
    double sum = 0;
    for (size_t i = 0; i < n_chunks; i++)
        sum += o->sums[i];
    return sqrt(sum);
}

void optim_step(struct optim *o, const struct kern *k, struct pool *p, float *params,
                const float *g, double norm, double lr, uint64_t t)
{
    const struct optim_options *q = &o->options;
    double scale = q->clip > 0 ? MIN(1.0, q->clip / (norm + 1e-6)) : 1.0;
    struct job j = {.optim = o, .kern = k, .params = params, .g = g};
    j.step = (struct kern_adamw){
        .lr = (float)lr,
        .beta1 = (float)q->beta1,
        .beta2 = (float)q->beta2,
        .eps = (float)q->eps,
        .weight_decay = (float)q->weight_decay,
        .bias1 = (float)(1 - fmath_powi(q->beta1, t)),
        .bias2 = (float)(1 - fmath_powi(q->beta2, t)),
        .g_scale = (float)scale,
    };
    pool_run(p, step_task, &j, DIV_UP(o->n, (size_t)CHUNK));
}
