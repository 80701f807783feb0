#include "train/optim.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/adamw.h"
#include "train/muon.h"

enum {
    /* floats that are stepped together, where that takes rounds: what one round leaves in the
     * caches, the next finds there; but many threads want more, each having caches of its own */
    WAVE = 800000,
    WAVE_OF_THREAD = 160000
};

const struct optim_kind *const optim_kinds[OPTIM_N_KINDS] = {
    &adamw_kind,
    &muon_kind,
};

/* ---- settings -------------------------------------------------------------------------------- */

static const struct optim_setting grad_clip = {"grad_clip", 1.0, 0, 1e9, false};

const struct optim_kind *optim_find(const char *name)
{
    for (size_t i = 0; i < OPTIM_N_KINDS; i++)
        if (strcmp(optim_kinds[i]->name, name) == 0)
            return optim_kinds[i];
    return NULL;
}

/* Whether no form before this one has its rule. */
static bool is_new_rule(const struct optim_kind *kind, int form)
{
    for (int i = 0; i < form; i++)
        if (kind->rule[i] == kind->rule[form])
            return false;
    return true;
}

/* Where the settings of a form's rule begin among those of its kind. */
static size_t first_setting(const struct optim_kind *kind, enum tensor_form form)
{
    size_t at = 1;
    for (int i = 0; kind->rule[i] != kind->rule[form]; i++)
        if (is_new_rule(kind, i))
            at += kind->rule[i]->n_settings;
    return at;
}

size_t optim_n_settings(const struct optim_kind *kind)
{
    size_t n = 1;
    for (int form = 0; form < TENSOR_N_FORMS; form++)
        if (is_new_rule(kind, form))
            n += kind->rule[form]->n_settings;
    assert(n <= OPTIM_MAX_SETTINGS);
    return n;
}

const struct optim_setting *optim_setting(const struct optim_kind *kind, size_t i)
{
    int form = 0;
    if (i == 0)
        return &grad_clip;
    for (i--; !is_new_rule(kind, form) || i >= kind->rule[form]->n_settings; form++)
        if (is_new_rule(kind, form))
            i -= kind->rule[form]->n_settings;
    return &kind->rule[form]->settings[i];
}

struct optim_settings optim_defaults(const struct optim_kind *kind)
{
    struct optim_settings s = {.kind = kind};
    for (size_t i = 0; i < optim_n_settings(kind); i++)
        s.values[i] = optim_setting(kind, i)->value;
    return s;
}

double *optim_value(struct optim_settings *s, const char *key)
{
    for (size_t i = 0; i < optim_n_settings(s->kind); i++)
        if (strcmp(optim_setting(s->kind, i)->key, key) == 0)
            return &s->values[i];
    return NULL;
}

int optim_check(const struct optim_setting *q, double value, struct err *e)
{
    if (!(value >= q->least && value < q->below))
        return err_set(e, "%s is out of range (found %.9g, expected %g or more, below %.9g)",
                       q->key, value, q->least, q->below);
    if (q->whole && value != floor(value))
        return err_set(e, "%s is not a whole number (found %g)", q->key, value);
    return 0;
}

static int unknown_key(const struct optim_settings *s, const char *text, struct err *e)
{
    char keys[512] = "";
    for (size_t i = 0; i < optim_n_settings(s->kind); i++) {
        size_t used = strlen(keys);
        snprintf(keys + used, sizeof keys - used, "%s%s", i ? ", " : "",
                 optim_setting(s->kind, i)->key);
    }
    return err_set(e, "'%s' is not a setting of %s (expected KEY=VALUE with a KEY of %s)", text,
                   s->kind->name, keys);
}

int optim_set(struct optim_settings *s, const char *text, struct err *e)
{
    size_t n = strcspn(text, "=");
    for (size_t i = 0; text[n] && i < optim_n_settings(s->kind); i++) {
        const struct optim_setting *q = optim_setting(s->kind, i);
        if (strlen(q->key) != n || memcmp(q->key, text, n) != 0)
            continue;
        char *end;
        double value = strtod(text + n + 1, &end);
        if (end == text + n + 1 || *end)
            return err_set(e, "'%s' has no number for a value", text);
        s->values[i] = value;
        return optim_check(q, value, e);
    }
    return unknown_key(s, text, e);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Tensors that are stepped together, a wave, are as many as have o->wave floats of this kind. */
static size_t wave_floats(const struct optim_tensor *t)
{
    return t->rule->n_rounds > 1 ? t->own.n : 0;
}

void optim_init(struct optim *o, const struct optim_settings *settings, const struct dims *d,
                const struct kern *k, int n_threads, const struct slices *slices, int rank,
                struct arena *a)
{
    const struct optim_kind *kind = settings->kind;
    *o = (struct optim){
        .settings = *settings, .kern = k, .n = dims_n_floats(d), .n_tensors = dims_n_tensors(d)};
    o->wave = MAX((size_t)WAVE, (size_t)n_threads * WAVE_OF_THREAD);
    o->tensors = arena_alloc(a, o->n_tensors, sizeof *o->tensors);
    o->first_task = arena_alloc(a, o->n_tensors + 1, sizeof *o->first_task);
    o->sums = arena_alloc(a, OPTIM_PIECES(o->n), sizeof *o->sums);
    struct arena wave;
    size_t in_wave = 0;
    arena_measure(&wave);
    for (size_t i = 0; i < o->n_tensors; i++) {
        struct optim_tensor t = {0};
        dims_tensor(d, i, &t.tensor);
        t.rule = kind->rule[t.tensor.form];
        t.own = (struct slices_part){0, t.tensor.n};
        if (slices)
            t.own = slices_of(slices, &t.tensor, i, rank);
        t.settings = o->settings.values + first_setting(kind, t.tensor.form);
        for (size_t s = 0; s < OPTIM_MAX_ARRAYS && t.rule->arrays[s]; s++)
            t.state[s] = arena_alloc(a, ALIGN_UP(t.tensor.n, DIMS_ALIGN), sizeof(float));
        if (t.rule->scratch && t.own.n > 0)
            t.rule->scratch(&t, k, &wave);
        o->scratch_bytes = MAX(o->scratch_bytes, wave.used);
        in_wave += wave_floats(&t);
        if (in_wave >= o->wave) {
            in_wave = 0;
            arena_measure(&wave);
        }
        if (t.rule->spare)
            o->spare_size = MAX(o->spare_size, ALIGN_UP(t.rule->spare(&t), DIMS_ALIGN));
        if (o->tensors)
            o->tensors[i] = t;
    }
    o->scratch = arena_alloc(a, o->scratch_bytes, 1);
    o->spare = arena_alloc(a, (size_t)n_threads * o->spare_size, sizeof(float));
}

double optim_flops(const struct optim *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->n_tensors; i++)
        if (o->tensors[i].rule->flops && o->tensors[i].own.n > 0)
            sum += o->tensors[i].rule->flops(&o->tensors[i]);
    return sum;
}

/* ---- the norm -------------------------------------------------------------------------------- */

struct norm_job {
    const struct optim *optim;
    const float *gradient;
    const bool *counts;
    double *out;
};

static void norm_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct norm_job *j = context;
    const struct optim *o = j->optim;
    size_t first = task * OPTIM_PIECE;
    bool counts = !j->counts || j->counts[task];
    j->out[task] =
        counts ? o->kern->sum_sq(j->gradient + first, MIN((size_t)OPTIM_PIECE, o->n - first)) : 0;
}

void optim_squares(struct optim *o, struct pool *p, const float *gradient, const bool *counts,
                   double *out)
{
    struct norm_job j = {o, gradient, counts, out};
    pool_run(p, norm_task, &j, OPTIM_PIECES(o->n));
}

double optim_norm_of(const struct optim *o, const double *squares)
{
    double sum = 0;
    for (size_t i = 0; i < OPTIM_PIECES(o->n); i++)
        sum += squares[i];
    return sqrt(sum);
}

double optim_norm(struct optim *o, struct pool *p, const float *gradient)
{
    optim_squares(o, p, gradient, NULL, o->sums);
    return optim_norm_of(o, o->sums);
}

/* ---- the step -------------------------------------------------------------------------------- */

struct step_job {
    struct optim_step step;
    const struct optim *optim;
    size_t first, end; /* tensors that are stepped together */
    size_t round;
};

/* The tensor a task of the round belongs to: the last whose first task is not after it. */
static size_t tensor_of(const struct step_job *j, size_t task)
{
    size_t low = j->first;
    size_t high = j->end;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (j->optim->first_task[mid] <= task)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void step_task(void *context, size_t task, size_t worker)
{
    const struct step_job *j = context;
    const struct optim *o = j->optim;
    size_t i = tensor_of(j, task);
    const struct optim_tensor *t = &o->tensors[i];
    t->rule->run(&j->step, t, j->round, task - o->first_task[i], o->spare + worker * o->spare_size);
}

/* Numbers the tasks of a round; returns how many there are. */
static size_t number_tasks(const struct step_job *j)
{
    size_t n = 0;
    for (size_t i = j->first; i < j->end; i++) {
        const struct optim_tensor *t = &j->optim->tensors[i];
        j->optim->first_task[i] = n;
        n += t->own.n > 0 && j->round < t->rule->n_rounds ? t->rule->n_tasks(t, j->round) : 0;
    }
    return n;
}

/* The end of the wave from `first` on, whose scratch is laid out. */
static size_t begin_wave(struct optim *o, size_t first)
{
    struct arena a = {.base = o->scratch, .size = o->scratch_bytes};
    size_t n = 0;
    size_t end = first;
    while (end < o->n_tensors && n < o->wave) {
        struct optim_tensor *t = &o->tensors[end++];
        n += wave_floats(t);
        if (t->rule->scratch && t->own.n > 0)
            t->scratch = t->rule->scratch(t, o->kern, &a);
    }
    return end;
}

void optim_step(struct optim *o, struct pool *p, const struct optim_step *s)
{
    const struct optim_kind *kind = o->settings.kind;
    double clip = o->settings.values[0];
    double scale = clip > 0 ? MIN(1.0, clip / (s->norm + 1e-6)) : 1.0;
    struct step_job j = {.step = *s, .optim = o};
    j.step.kern = o->kern;
    j.step.g_scale = (float)scale;
    size_t n_rounds = 0;
    for (int form = 0; form < TENSOR_N_FORMS; form++)
        n_rounds = MAX(n_rounds, kind->rule[form]->n_rounds);
    for (; j.first < o->n_tensors; j.first = j.end) {
        j.end = begin_wave(o, j.first);
        for (j.round = 0; j.round < n_rounds; j.round++)
            pool_run(p, step_task, &j, number_tasks(&j));
    }
}
