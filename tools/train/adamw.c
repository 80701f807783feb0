#include "train/adamw.h"

#include "base/fmath.h"

enum { CHUNK = 16384 }; /* floats of one task */

/* The square of a gradient below some 1e-18 is 0 in a float: with a smaller epsilon its step would
 * have no bound, and without any, one of a weight that never had a gradient be 0 / 0. */
#define LEAST_EPS 1e-16

enum { BETA1, BETA2, EPS, DECAY };

static const struct optim_setting settings[] = {
    [BETA1] = {"beta1", 0.9, 0, OPTIM_BETA_BELOW, false},
    [BETA2] = {"beta2", 0.95, 0, OPTIM_BETA_BELOW, false},
    [EPS] = {"adam_eps", 1e-8, LEAST_EPS, 1, false},
    [DECAY] = {"weight_decay", 0.01, 0, 1e3, false},
};

/* With the gap to the next tensor, whose zeroes stay zero: so vectors are whole. */
static size_t n_floats(const struct optim_tensor *t)
{
    return ALIGN_UP(t->own.n, DIMS_ALIGN);
}

static size_t n_tasks(const struct optim_tensor *t, size_t round)
{
    (void)round;
    return DIV_UP(n_floats(t), (size_t)CHUNK);
}

static void run(const struct optim_step *s, const struct optim_tensor *t, size_t round, size_t task,
                float *spare)
{
    (void)round;
    (void)spare;
    const double *q = t->settings;
    size_t done = task * CHUNK;
    size_t first = t->own.first + done;
    size_t at = t->tensor.offset + first;
    struct kern_adamw step = {
        .lr = (float)s->lr,
        .beta1 = (float)q[BETA1],
        .beta2 = (float)q[BETA2],
        .eps = (float)q[EPS],
        .weight_decay = (float)q[DECAY],
        .bias1 = (float)(1 - fmath_powi(q[BETA1], s->number)),
        .bias2 = (float)(1 - fmath_powi(q[BETA2], s->number)),
        .g_scale = s->g_scale,
    };
    s->kern->adamw(s->params + at, s->gradient + at, t->state[0] + first, t->state[1] + first,
                   MIN((size_t)CHUNK, n_floats(t) - done), &step);
}

const struct optim_rule adamw_rule = {
    .arrays = {"adam_m", "adam_v"},
    .settings = settings,
    .n_settings = ARRAY_LEN(settings),
    .n_rounds = 1,
    .n_tasks = n_tasks,
    .run = run,
};

const struct optim_kind adamw_kind = {
    .name = "adamw",
    .rule = {[TENSOR_TERNARY] = &adamw_rule,
             [TENSOR_TABLE] = &adamw_rule,
             [TENSOR_VECTOR] = &adamw_rule},
};
