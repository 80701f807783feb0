#include "train/muon.h"

#include <math.h>

#include "train/adamw.h"
#include "train/ortho.h"

/* ---- settings -------------------------------------------------------------------------------- */

enum { LR, MOMENTUM, MOMENTUM_START, WARMUP, ITERATIONS, DECAY };

static const struct optim_setting settings[] = {
    [LR] = {"muon_lr", 0.02, 0, 1e3, false},
    [MOMENTUM] = {"muon_momentum", 0.95, 0, OPTIM_BETA_BELOW, false},
    [MOMENTUM_START] = {"muon_momentum_start", 0.85, 0, OPTIM_BETA_BELOW, false},
    [WARMUP] = {"muon_warmup", 300, 0, 1e15, true},
    [ITERATIONS] = {"muon_iterations", 3, 1, ORTHO_MOST + 1, true},
    [DECAY] = {"muon_decay", 0, 0, 1e3, false},
};

static size_t iterations(const struct optim_tensor *t)
{
    return (size_t)t->settings[ITERATIONS];
}

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t part_rows(const struct tensor *t)
{
    return t->shape[0] / (size_t)t->n_parts;
}

/* A struct ortho for each part. */
static void *scratch(const struct optim_tensor *t, const struct kern *k, struct arena *a)
{
    size_t n_parts = (size_t)t->tensor.n_parts;
    struct ortho *parts = arena_alloc(a, n_parts, sizeof *parts);
    for (size_t i = 0; i < n_parts; i++) {
        struct ortho m;
        ortho_init(&m, part_rows(&t->tensor), t->tensor.shape[1], iterations(t), k, a);
        if (parts)
            parts[i] = m;
    }
    return parts;
}

static size_t spare_size(const struct optim_tensor *t)
{
    return ortho_spare(part_rows(&t->tensor), t->tensor.shape[1]);
}

static size_t n_tasks(const struct optim_tensor *t, size_t round)
{
    const struct ortho *parts = t->scratch;
    struct ortho_round r = ortho_round(iterations(t), round);
    return (size_t)t->tensor.n_parts * ortho_tasks(parts, &r);
}

static double flops(const struct optim_tensor *t)
{
    return (double)t->tensor.n_parts *
           ortho_flops(part_rows(&t->tensor), t->tensor.shape[1], iterations(t));
}

/* ---- the step -------------------------------------------------------------------------------- */

static double momentum_now(const struct optim_tensor *t, uint64_t number)
{
    const double *q = t->settings;
    double share = q[WARMUP] > 0 ? MIN(1.0, (double)(number - 1) / q[WARMUP]) : 1.0;
    return q[MOMENTUM_START] + share * (q[MOMENTUM] - q[MOMENTUM_START]);
}

static void descend(const struct optim_step *s, const struct optim_tensor *t, size_t first,
                    const float *x, size_t n)
{
    const double *q = t->settings;
    double lr = q[LR] * s->share;
    double rows = (double)part_rows(&t->tensor);
    struct kern_descend d = {
        .rate = (float)(lr * sqrt(MAX(1.0, rows / (double)t->tensor.shape[1]))),
        .decay = (float)(lr * q[DECAY]),
    };
    s->kern->descend(s->params + t->tensor.offset + first, x, n, &d);
}

static void run(const struct optim_step *s, const struct optim_tensor *t, size_t round, size_t task,
                float *spare)
{
    const struct ortho *m = t->scratch;
    struct ortho_round r = ortho_round(iterations(t), round);
    size_t part = task / ortho_tasks(m, &r);
    task %= ortho_tasks(m, &r);
    m += part;
    struct ortho_rows rows = ortho_rows(m, task);
    size_t first = (part * m->rows + rows.first) * m->cols;
    size_t n = rows.count * m->cols;
    if (r.what == ORTHO_LOAD && r.done == 0)
        s->kern->nesterov(s->gradient + t->tensor.offset + first, t->state[0] + first, n,
                          (float)momentum_now(t, s->number), ortho_input(m, s->kern, task, spare));
    const float *x = ortho_run(m, s->kern, &r, task, spare);
    if (x)
        descend(s, t, first, x, n);
}

static const struct optim_rule muon_rule = {
    .arrays = {"muon_m"},
    .settings = settings,
    .n_settings = ARRAY_LEN(settings),
    .n_rounds = ORTHO_ROUNDS,
    .scratch = scratch,
    .spare = spare_size,
    .n_tasks = n_tasks,
    .run = run,
    .flops = flops,
};

const struct optim_kind muon_kind = {
    .name = "muon",
    .rule = {[TENSOR_TERNARY] = &muon_rule,
             [TENSOR_TABLE] = &adamw_rule,
             [TENSOR_VECTOR] = &adamw_rule},
};
