/* Optimisers: AdamW by hand; what is asked of all of them, and of one that exists only here and has
 * what AdamW lacks: another rule for some tensors, rounds that wait for each other, memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/pages.h"
#include "os/threads.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "train/adamw.h"
#include "train/muon.h"
#include "train/optim_state.h"

/* ---- an optimiser for the tests -------------------------------------------------------------- */

/* momentum = beta momentum + g; w -= lr momentum / rms, where rms is that of a part's momentum. */
static const struct optim_setting even_settings[] = {{"even_beta", 0.5, 0, 1, false}};

static void *even_scratch(const struct tensor *t, const struct kern *k, struct arena *a)
{
    (void)k;
    return arena_alloc(a, t->shape[0], sizeof(double)); /* a sum for each row */
}

static size_t even_tasks(const struct optim_tensor *t, size_t round)
{
    size_t rows = t->tensor.shape[0];
    return round == 0 ? rows : rows / 2; /* one row, then two */
}

static void even_update(const struct optim_step *s, const struct optim_tensor *t, size_t row)
{
    size_t n = t->tensor.shape[1];
    float *momentum = t->state[0] + row * n;
    double *sums = t->scratch;
    for (size_t i = 0; i < n; i++)
        momentum[i] = (float)t->settings[0] * momentum[i] +
                      s->g_scale * s->gradient[t->tensor.offset + row * n + i];
    sums[row] = s->kern->sum_sq(momentum, n);
}

static void even_run(const struct optim_step *s, const struct optim_tensor *t, size_t round,
                     size_t task)
{
    size_t n = t->tensor.shape[1];
    size_t n_rows = t->tensor.shape[0] / (size_t)t->tensor.n_parts;
    const double *sums = t->scratch;
    if (round == 0) {
        even_update(s, t, task);
        return;
    }
    size_t last = t->tensor.shape[0] / 2 - 1 == task && t->tensor.shape[0] % 2;
    for (size_t row = 2 * task; row < 2 * task + 2 + last; row++) {
        double sum = 0;
        for (size_t r = row / n_rows * n_rows; r < (row / n_rows + 1) * n_rows; r++)
            sum += sums[r];
        double rms = sqrt(sum / (double)(n_rows * n)) + 1e-30;
        for (size_t i = row * n; i < (row + 1) * n; i++)
            s->params[t->tensor.offset + i] -= (float)(s->lr * (double)t->state[0][i] / rms);
    }
}

static const struct optim_rule even_rule = {
    .arrays = {"even_momentum"},
    .settings = even_settings,
    .n_settings = ARRAY_LEN(even_settings),
    .n_rounds = 2,
    .scratch = even_scratch,
    .n_tasks = even_tasks,
    .run = even_run,
};

static const struct optim_kind even_kind = {
    .name = "even",
    .rule = {[TENSOR_TERNARY] = &even_rule,
             [TENSOR_TABLE] = &adamw_rule,
             [TENSOR_VECTOR] = &adamw_rule},
};

static const struct optim_kind *kind_number(size_t i)
{
    return i < OPTIM_N_KINDS ? optim_kinds[i] : &even_kind;
}
enum { N_KINDS = OPTIM_N_KINDS + 1 };

/* ---- a run of nothing but steps -------------------------------------------------------------- */

struct run {
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    struct optim optim;
    float *params;
};

static void open_run_of(struct run *r, struct dims d, const struct optim_settings *s,
                        const struct cpu_level *level, bool bf16, int threads)
{
    struct err e;
    *r = (struct run){.dims = d};
    kern_init(&r->kern, level);
    if (bf16)
        kern_use_bf16(&r->kern);
    r->pool = threads_new(threads, &e);
    assert_non_null(r->pool);
    r->params = toy_params(&r->dims, 1);
    struct arena measure;
    arena_measure(&measure);
    optim_init(&r->optim, s, &r->dims, &r->kern, &measure);
    assert_int_equal(arena_init(&r->arena, &pages_memory, measure.used, &e), 0);
    optim_init(&r->optim, s, &r->dims, &r->kern, &r->arena);
}

static void open_run(struct run *r, const struct optim_settings *s, const struct cpu_level *level,
                     int threads)
{
    /* tables of several tasks */
    open_run_of(r, toy_dims(3000, 17, 23, 3, 2, "1,4"), s, level, false, threads);
}

static void take_step(struct run *r, const float *gradient, double norm, double lr, double share,
                      uint64_t number)
{
    struct optim_step s = {.params = r->params,
                           .gradient = gradient,
                           .norm = norm,
                           .lr = lr,
                           .share = share,
                           .number = number};
    optim_step(&r->optim, r->pool, &s);
}

static void take_steps(struct run *r, uint64_t first, uint64_t last)
{
    for (uint64_t step = first; step <= last; step++) {
        float *g = toy_params(&r->dims, 100 + step);
        take_step(r, g, optim_norm(&r->optim, r->pool, g), 0.01, 1, step);
        free(g);
    }
}

static void assert_same_params(const struct run *a, const struct run *b)
{
    assert_memory_equal(a->params, b->params, dims_n_floats(&a->dims) * sizeof(float));
}

static void close_run(struct run *r)
{
    free(r->params);
    arena_release(&r->arena);
    threads_free(r->pool);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* One parameter over two steps, with clipping. */
static void test_adamw_by_hand(void **state)
{
    (void)state;
    struct run r;
    struct optim_settings s = optim_defaults(&adamw_kind);
    open_run(&r, &s, CPU_C, 1);
    size_t n = dims_n_floats(&r.dims);
    float *g = calloc(n, sizeof *g);
    float *w = r.params;
    memset(w, 0, n * sizeof *w);
    w[0] = 1;
    g[0] = 3;
    g[1] = 4;
    double norm = optim_norm(&r.optim, r.pool, g);
    assert_true(norm == 5);
    take_step(&r, g, norm, 0.1, 1, 1);
    /* clipped gradient 0.6; m = 0.06, v = 0.018; m/bias1 = 0.6, sqrt(v/bias2) = 0.6 */
    assert_true(fabsf(w[0] - (1 * (1 - 0.1f * 0.01f) - 0.1f)) < 1e-6f);
    g[0] = -0.5f;
    g[1] = 0;
    take_step(&r, g, 0.5, 0.1, 1, 2);
    /* m = 0.9*0.06 - 0.05 = 0.004, v = 0.95*0.018 + 0.05*0.25 = 0.0296; bias 0.19, 0.0975 */
    double want = 0.899 * 0.999 - 0.1 * (0.004 / 0.19) / (sqrt(0.0296 / 0.0975) + 1e-8);
    assert_true(fabs((double)w[0] - want) < 1e-6);
    assert_true(w[2] == 0 && w[n - 1] == 0);
    free(g);
    close_run(&r);
}

/* ---- Muon by its definition ------------------------------------------------------------------ */

struct reference {
    size_t rows, cols;
    double *m; /* [rows][cols] momentum */
    double *w;
};

/* c [n][n] = sum over i of x[i] x[i]', x having n columns; or of its columns where it is wide. */
static double *gram_of(const double *x, size_t rows, size_t cols)
{
    size_t n = MIN(rows, cols);
    double *c = calloc(n * n, sizeof *c);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            for (size_t k = 0; k < n; k++)
                if (rows < cols)
                    c[i * n + k] += x[i * cols + j] * x[k * cols + j];
                else
                    c[j * n + k] += x[i * cols + j] * x[i * cols + k];
    return c;
}

static double *product_of(const double *x, const double *y, size_t m, size_t k, size_t n)
{
    double *z = calloc(m * n, sizeof *z);
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++)
            for (size_t j = 0; j < n; j++)
                z[i * n + j] += x[i * k + p] * y[p * n + j];
    return z;
}

/* X <- X (a + b A + c A^2), or from the left where it is wide. */
static double *iterate(double *x, size_t rows, size_t cols, const double f[3])
{
    size_t n = MIN(rows, cols);
    double *a = gram_of(x, rows, cols);
    double *p = product_of(a, a, n, n, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            p[i * n + j] = f[2] * p[i * n + j] + f[1] * a[i * n + j] + (i == j ? f[0] : 0);
    double *next = rows < cols ? product_of(p, x, n, n, cols) : product_of(x, p, rows, n, n);
    free(a);
    free(p);
    free(x);
    return next;
}

static double *orthogonal(const double *y, size_t rows, size_t cols, size_t n_iterations,
                          bool polar)
{
    static const double newton_schulz[3] = {3.4445, -4.7750, 2.0315};
    static const double polar_express[5][3] = {{8.15655, -22.48329, 15.87877},
                                               {4.04293, -2.80892, 0.50002},
                                               {3.89167, -2.77248, 0.50606},
                                               {3.28575, -2.36813, 0.46449},
                                               {2.34654, -1.70978, 0.42324}};
    double *x = calloc(rows * cols, sizeof *x);
    double sum = 0;
    for (size_t i = 0; i < rows * cols; i++)
        sum += y[i] * y[i];
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = y[i] / (1.02 * sqrt(sum) + 1e-6);
    for (size_t i = 0; i < n_iterations; i++)
        x = iterate(x, rows, cols, polar ? polar_express[i] : newton_schulz);
    return x;
}

/* What two steps make of a part of a tensor: the difference to what they should, in units of the
 * 2-norm of all that has changed. */
static double error_of_part(const struct tensor *t, size_t part, const float *const g[2],
                            const float *before, const float *after, struct optim_settings *s)
{
    size_t rows = t->shape[0] / (size_t)t->n_parts;
    size_t cols = t->shape[1];
    size_t n = rows * cols;
    size_t at = t->offset + part * n;
    double *m = calloc(n, sizeof *m);
    double *y = calloc(n, sizeof *y);
    double *w = calloc(n, sizeof *w);
    double error = 0;
    double change = 0;
    for (size_t i = 0; i < n; i++)
        w[i] = (double)before[at + i];
    for (size_t step = 0; step < 2; step++) {
        double mu = 0.85 + 0.1 * (double)step / 4; /* muon_warmup 4 */
        double lr = *optim_value(s, "muon_lr") * 0.5;
        for (size_t i = 0; i < n; i++) {
            double fresh = (1 - mu) * (double)g[step][at + i];
            m[i] = mu * m[i] + fresh;
            y[i] = mu * m[i] + fresh;
        }
        double *x = orthogonal(y, rows, cols, (size_t)*optim_value(s, "muon_iterations"),
                               *optim_value(s, "muon_polar") > 0);
        for (size_t i = 0; i < n; i++) {
            double decay = lr * *optim_value(s, "muon_decay");
            if (*optim_value(s, "muon_cautious") > 0 && w[i] * x[i] <= 0)
                decay = 0;
            w[i] -= decay * w[i] + lr * sqrt(MAX(1.0, (double)rows / (double)cols)) * x[i];
        }
        free(x);
    }
    for (size_t i = 0; i < n; i++) {
        double off = (double)after[at + i] - w[i];
        error += off * off;
        change += (w[i] - (double)before[at + i]) * (w[i] - (double)before[at + i]);
    }
    free(m);
    free(y);
    free(w);
    return sqrt(error / change);
}

/* Two steps of Muon against its definition in double, on one instruction set. */
static double muon_error(struct dims d, struct optim_settings *s, const struct cpu_level *level,
                         bool bf16)
{
    struct run r;
    double worst = 0;
    open_run_of(&r, d, s, level, bf16, 2);
    float *before = toy_params(&d, 1);
    float *const g[2] = {toy_params(&d, 101), toy_params(&d, 102)};
    for (size_t i = 0; i < 2; i++)
        take_step(&r, g[i], optim_norm(&r.optim, r.pool, g[i]), 0.01, 0.5, i + 1);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        for (size_t part = 0; t.form == TENSOR_TERNARY && part < (size_t)t.n_parts; part++)
            worst =
                MAX(worst, error_of_part(&t, part, (const float *const *)g, before, r.params, s));
    }
    free(before);
    free(g[0]);
    free(g[1]);
    close_run(&r);
    return worst;
}

static void test_muon_by_its_definition(void **state)
{
    (void)state;
    const struct dims sizes[] = {toy_dims(20, 70, 131, 3, 1, "1"), toy_dims(20, 99, 71, 3, 1, "1"),
                                 toy_dims(20, 3, 5, 3, 1, "1")};
    for (size_t size = 0; size < ARRAY_LEN(sizes); size++)
        for (int n = 1; n <= 5; n++) {
            struct optim_settings s = optim_defaults(&muon_kind);
            *optim_value(&s, "muon_lr") = 0.1;
            *optim_value(&s, "muon_warmup") = 4;
            *optim_value(&s, "muon_iterations") = n;
            *optim_value(&s, "muon_polar") = n % 2;
            *optim_value(&s, "muon_decay") = n == 5 ? 0.3 : 0;
            *optim_value(&s, "muon_cautious") = n == 5;
            double f32 = muon_error(sizes[size], &s, cpu_best(), false);
            if (f32 >= (n == 5 ? 1e-2 : 1e-4)) /* cautious: a sign may differ */
                fail_msg("size %zu, %d iterations: error %g", size, n, f32);
            if (sizes[size].D < 64)
                continue;
            *optim_value(&s, "muon_polar") = 0;
            double bf16 = muon_error(sizes[size], &s, cpu_best(), true);
            if (bf16 >= (n == 5 ? 0.1 : 0.03))
                fail_msg("size %zu, %d iterations: error %g in bf16", size, n, bf16);
        }
}

static void test_settings(void **state)
{
    (void)state;
    struct optim_settings s = optim_defaults(&even_kind);
    static const char *const keys[] = {"grad_clip", "even_beta", "beta1",
                                       "beta2",     "adam_eps",  "weight_decay"};
    assert_int_equal(optim_n_settings(&even_kind), ARRAY_LEN(keys));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_string_equal(optim_setting(&even_kind, i)->key, keys[i]);
        assert_ptr_equal(optim_value(&s, keys[i]), &s.values[i]);
    }
    assert_null(optim_value(&s, "momentum"));
    assert_true(*optim_value(&s, "beta2") == 0.95);
    assert_null(optim_find("even"));
    for (size_t k = 0; k < OPTIM_N_KINDS; k++) {
        assert_ptr_equal(optim_find(optim_kinds[k]->name), optim_kinds[k]);
        for (size_t i = 0; i < optim_n_settings(optim_kinds[k]); i++) {
            const struct optim_setting *q = optim_setting(optim_kinds[k], i);
            assert_true(q->value >= q->least && q->value < q->below);
        }
    }
}

/* A setting reaches the rule it belongs to, and no other. */
static void test_settings_reach_their_rules(void **state)
{
    (void)state;
    struct run plain;
    struct run other;
    struct optim_settings s = optim_defaults(&even_kind);
    open_run(&plain, &s, CPU_C, 1);
    *optim_value(&s, "weight_decay") = 0.5;
    open_run(&other, &s, CPU_C, 1);
    take_steps(&plain, 1, 2);
    take_steps(&other, 1, 2);
    for (size_t i = 0; i < dims_n_tensors(&plain.dims); i++) {
        struct tensor t;
        dims_tensor(&plain.dims, i, &t);
        bool same =
            memcmp(plain.params + t.offset, other.params + t.offset, t.n * sizeof(float)) == 0;
        assert_int_equal(same, t.form == TENSOR_TERNARY);
    }
    close_run(&plain);
    close_run(&other);
}

/* Of every optimiser, on every instruction set: all tensors move, gaps do not, and threads do not
 * matter. */
static void test_every_kind(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++)
        for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
            struct optim_settings s = optim_defaults(kind_number(k));
            struct run one;
            open_run(&one, &s, level, 1);
            float *before = toy_params(&one.dims, 1);
            take_steps(&one, 1, 4);
            for (size_t i = 0, end = 0; i < dims_n_tensors(&one.dims); i++) {
                struct tensor t;
                dims_tensor(&one.dims, i, &t);
                for (; end < t.offset; end++)
                    assert_true(one.params[end] == 0);
                for (; end < t.offset + t.n; end++)
                    assert_true(isfinite(one.params[end]) && one.params[end] != before[end]);
            }
            for (int threads = 2; threads <= 7; threads += 5) {
                struct run many;
                open_run(&many, &s, level, threads);
                take_steps(&many, 1, 4);
                assert_same_params(&one, &many);
                close_run(&many);
            }
            free(before);
            close_run(&one);
        }
}

static void save(const struct run *r, const char *path)
{
    struct err e;
    struct ckpt_state state = {.settings = {.precision = "f32", .isa = "c"}};
    struct ckpt_optim *o = optim_state(&r->optim, &e);
    assert_non_null(o);
    strcpy(state.settings.optimiser, r->optim.settings.kind->name);
    if (ckpt_save(path, &r->dims, r->params, o, &state, &e))
        fail_msg("%s", e.text);
    free(o);
}

/* Of every optimiser: a run that goes on from a checkpoint is the uninterrupted one, and a file
 * that lacks an array is refused. */
static void test_every_kind_resumes(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct err e;
        struct ckpt c;
        struct run whole;
        struct run parts;
        struct optim_settings s = optim_defaults(kind_number(k));
        open_run(&whole, &s, cpu_best(), 2);
        open_run(&parts, &s, cpu_best(), 2);
        take_steps(&whole, 1, 3);
        save(&whole, scratch_path("run"));
        take_steps(&whole, 4, 6);
        assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
        ckpt_read(&c, parts.params);
        if (optim_state_read(&parts.optim, &c, "run", &e))
            fail_msg("%s", e.text);
        take_steps(&parts, 4, 6);
        assert_same_params(&whole, &parts);
        c.n_arrays--;
        assert_int_equal(optim_state_read(&parts.optim, &c, "run", &e), -1);
        assert_non_null(strstr(e.text, "run: tensor '"));
        assert_non_null(strstr(e.text, "is missing"));
        ckpt_close(&c);
        close_run(&whole);
        close_run(&parts);
    }
}

/* Arrays stand only beside the tensors whose rule keeps them. */
static void test_arrays_in_the_file(void **state)
{
    (void)state;
    struct err e;
    struct safetensors f;
    struct run r;
    struct optim_settings s = optim_defaults(&even_kind);
    open_run(&r, &s, CPU_C, 1);
    save(&r, scratch_path("arrays"));
    assert_int_equal(safetensors_open(&f, scratch_path("arrays"), &e), 0);
    assert_string_equal(safetensors_meta(&f, "optimiser"), "even");
    assert_string_equal(safetensors_meta(&f, "optimiser_arrays"),
                        "adam_m:8,adam_v:8,even_momentum:10");
    assert_int_equal(f.n_tensors, 18 + 8 + 8 + 10);
    assert_non_null(safetensors_find(&f, "even_momentum.blocks.1.mixer.up.weight"));
    assert_null(safetensors_find(&f, "adam_m.blocks.1.mixer.up.weight"));
    assert_non_null(safetensors_find(&f, "adam_v.blocks.0.mixer.conv.weight"));
    safetensors_close(&f);
    close_run(&r);
}

static void refuse(const struct run *r, const char *message)
{
    struct err e;
    struct ckpt c;
    struct optim_settings s;
    save(r, scratch_path("refused"));
    assert_int_equal(ckpt_open(&c, scratch_path("refused"), &e), 0);
    assert_int_equal(optim_state_settings(&s, &c, "file", &e), -1);
    if (!strstr(e.text, message))
        fail_msg("'%s', expected '%s'", e.text, message);
    ckpt_close(&c);
}

static void test_settings_from_a_checkpoint(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    struct run r;
    struct optim_settings s = optim_defaults(&adamw_kind);
    struct optim_settings got;
    *optim_value(&s, "beta2") = 1.0 / 3;
    open_run(&r, &s, CPU_C, 1);
    save(&r, scratch_path("settings"));
    assert_int_equal(ckpt_open(&c, scratch_path("settings"), &e), 0);
    assert_int_equal(optim_state_settings(&got, &c, "file", &e), 0);
    assert_memory_equal(&got, &s, sizeof s);
    ckpt_close(&c);
    *optim_value(&r.optim.settings, "beta1") = 1;
    refuse(&r, "file: beta1 is out of range (found 1, expected 0 or more, below 1)");
    *optim_value(&r.optim.settings, "beta1") = NAN;
    refuse(&r, "file: metadata 'beta1' has a bad value 'nan'");
    r.optim.settings = optim_defaults(&even_kind);
    refuse(&r, "file: of an optimiser that is not known here ('even')");
    close_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw_by_hand),
        cmocka_unit_test(test_muon_by_its_definition),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_settings_reach_their_rules),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_every_kind_resumes),
        cmocka_unit_test(test_arrays_in_the_file),
        cmocka_unit_test(test_settings_from_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
