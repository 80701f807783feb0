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

#include "support/scratch.h"
#include "support/toy.h"
#include "support/toysteps.h"
#include "train/adamw.h"
#include "train/optim_state.h"

/* ---- an optimiser for the tests -------------------------------------------------------------- */

/* momentum = beta momentum + g; w -= lr momentum / rms, where rms is that of a part's momentum. */
static const struct optim_setting even_settings[] = {{"even_beta", 0.5, 0, 1, false}};

static void *even_scratch(const struct optim_tensor *t, const struct kern *k, struct arena *a)
{
    (void)k;
    return arena_alloc(a, t->tensor.shape[0], sizeof(double)); /* a sum for each row */
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

static size_t even_spare(const struct optim_tensor *t)
{
    return t->tensor.shape[1];
}

static void even_run(const struct optim_step *s, const struct optim_tensor *t, size_t round,
                     size_t task, float *spare)
{
    size_t n = t->tensor.shape[1];
    size_t n_rows = t->tensor.shape[0] / (size_t)t->tensor.n_parts;
    const double *sums = t->scratch;
    memset(spare, 0xff, n * sizeof *spare);
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
    .spare = even_spare,
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

/* ---- runs ------------------------------------------------------------------------------------ */

/* Tables of several tasks, matrices of several blocks. */
static void open_run(struct toysteps *r, const struct optim_settings *s, struct toysteps_how how)
{
    struct dims d = toy_dims(600, 70, 101, 3, 2, "1,4");
    toysteps_open(r, &d, s, how);
}

/* In plain C, on one thread. */
static void open_plain(struct toysteps *r, const struct optim_settings *s)
{
    open_run(r, s, (struct toysteps_how){CPU_C, false, 1});
}

static void assert_same_params(const struct toysteps *a, const struct toysteps *b)
{
    assert_memory_equal(a->params, b->params, dims_n_floats(&a->dims) * sizeof(float));
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* One parameter over two steps, with clipping. */
static void test_adamw_by_hand(void **state)
{
    (void)state;
    struct toysteps r;
    struct optim_settings s = optim_defaults(&adamw_kind);
    open_plain(&r, &s);
    size_t n = dims_n_floats(&r.dims);
    float *g = calloc(n, sizeof *g);
    float *w = r.params;
    memset(w, 0, n * sizeof *w);
    w[0] = 1;
    g[0] = 3;
    g[1] = 4;
    double norm = optim_norm(&r.optim, r.pool, g);
    assert_true(norm == 5);
    toysteps_step(&r, g, norm, 0.1, 1, 1);
    /* clipped gradient 0.6; m = 0.06, v = 0.018; m/bias1 = 0.6, sqrt(v/bias2) = 0.6 */
    assert_true(fabsf(w[0] - (1 * (1 - 0.1f * 0.01f) - 0.1f)) < 1e-6f);
    g[0] = -0.5f;
    g[1] = 0;
    toysteps_step(&r, g, 0.5, 0.1, 1, 2);
    /* m = 0.9*0.06 - 0.05 = 0.004, v = 0.95*0.018 + 0.05*0.25 = 0.0296; bias 0.19, 0.0975 */
    double want = 0.899 * 0.999 - 0.1 * (0.004 / 0.19) / (sqrt(0.0296 / 0.0975) + 1e-8);
    assert_true(fabs((double)w[0] - want) < 1e-6);
    assert_true(w[2] == 0 && w[n - 1] == 0);
    free(g);
    toysteps_close(&r);
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

/* The first step is one of the learning rate however small the gradient, no more than it where its
 * square is 0 in a float, and none without a gradient: at the ends of a setting's range, too. */
static void test_ends_of_ranges(void **state)
{
    (void)state;
    static const char *const keys[] = {"beta1", "beta2", "adam_eps"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct err e;
        struct toysteps r;
        struct optim_settings s = optim_defaults(&adamw_kind);
        double *value = optim_value(&s, keys[k]);
        const struct optim_setting *q = optim_setting(&adamw_kind, (size_t)(value - s.values));
        *value = k == 2 ? q->least : nextafter(q->below, 0);
        assert_int_equal(optim_check(q, *value, &e), 0);
        open_plain(&r, &s);
        size_t n = dims_n_floats(&r.dims);
        float *g = calloc(n, sizeof *g);
        memset(r.params, 0, n * sizeof *r.params);
        for (size_t i = 1; i < 40; i++)
            g[i] = powf(10, -(float)i);
        toysteps_step(&r, g, 0.2, 0.1, 1, 1);
        assert_true(r.params[0] == 0 && fabsf(r.params[1] + 0.1f) < 0.025f);
        for (size_t i = 2; i < 40; i++)
            assert_true(r.params[i] <= 0 && r.params[i] > -0.125f);
        free(g);
        toysteps_close(&r);
    }
}

/* A setting reaches the rule it belongs to, and no other. */
static void test_settings_reach_their_rules(void **state)
{
    (void)state;
    struct toysteps plain;
    struct toysteps other;
    struct optim_settings s = optim_defaults(&even_kind);
    open_plain(&plain, &s);
    *optim_value(&s, "weight_decay") = 0.5;
    open_plain(&other, &s);
    toysteps_run(&plain, 1, 2);
    toysteps_run(&other, 1, 2);
    for (size_t i = 0; i < dims_n_tensors(&plain.dims); i++) {
        struct tensor t;
        dims_tensor(&plain.dims, i, &t);
        bool same =
            memcmp(plain.params + t.offset, other.params + t.offset, t.n * sizeof(float)) == 0;
        assert_int_equal(same, t.form == TENSOR_TERNARY);
    }
    toysteps_close(&plain);
    toysteps_close(&other);
}

/* All tensors move, gaps do not. */
static void check_moves(const struct toysteps *r)
{
    float *before = toy_params(&r->dims, 1);
    for (size_t i = 0, end = 0; i < dims_n_tensors(&r->dims); i++) {
        struct tensor t;
        dims_tensor(&r->dims, i, &t);
        for (; end < t.offset; end++)
            assert_true(r->params[end] == 0);
        for (; end < t.offset + t.n; end++)
            assert_true(isfinite(r->params[end]) && r->params[end] != before[end]);
    }
    free(before);
}

/* Of every optimiser, on every instruction set: threads do not matter. */
static void test_every_kind(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++)
        for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level))
            for (int bf16 = 0; bf16 <= (level == cpu_best()); bf16++) {
                struct optim_settings s = optim_defaults(kind_number(k));
                struct toysteps one;
                open_run(&one, &s, (struct toysteps_how){level, bf16, 1});
                toysteps_run(&one, 1, 3);
                check_moves(&one);
                for (int threads = 2; threads <= 7; threads += 5) {
                    struct toysteps many;
                    open_run(&many, &s, (struct toysteps_how){level, bf16, threads});
                    toysteps_run(&many, 1, 3);
                    assert_same_params(&one, &many);
                    toysteps_close(&many);
                }
                toysteps_close(&one);
            }
}

static void save(const struct toysteps *r, const char *path)
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
        struct toysteps whole;
        struct toysteps parts;
        struct optim_settings s = optim_defaults(kind_number(k));
        open_run(&whole, &s, (struct toysteps_how){cpu_best(), false, 2});
        open_run(&parts, &s, (struct toysteps_how){cpu_best(), false, 2});
        toysteps_run(&whole, 1, 3);
        save(&whole, scratch_path("run"));
        toysteps_run(&whole, 4, 6);
        assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
        ckpt_read(&c, parts.params);
        if (optim_state_read(&parts.optim, &c, "run", &e))
            fail_msg("%s", e.text);
        toysteps_run(&parts, 4, 6);
        assert_same_params(&whole, &parts);
        c.n_arrays--;
        assert_int_equal(optim_state_read(&parts.optim, &c, "run", &e), -1);
        assert_non_null(strstr(e.text, "run: tensor '"));
        assert_non_null(strstr(e.text, "is missing"));
        ckpt_close(&c);
        toysteps_close(&whole);
        toysteps_close(&parts);
    }
}

/* Arrays stand only beside the tensors whose rule keeps them. */
static void test_arrays_in_the_file(void **state)
{
    (void)state;
    struct err e;
    struct safetensors f;
    struct toysteps r;
    struct optim_settings s = optim_defaults(&even_kind);
    open_plain(&r, &s);
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
    toysteps_close(&r);
}

static void refuse(const struct toysteps *r, const char *message)
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
    struct toysteps r;
    struct optim_settings s = optim_defaults(&adamw_kind);
    struct optim_settings got;
    *optim_value(&s, "beta2") = 1.0 / 3;
    open_plain(&r, &s);
    save(&r, scratch_path("settings"));
    assert_int_equal(ckpt_open(&c, scratch_path("settings"), &e), 0);
    assert_int_equal(optim_state_settings(&got, &c, "file", &e), 0);
    assert_memory_equal(&got, &s, sizeof s);
    ckpt_close(&c);
    *optim_value(&r.optim.settings, "beta1") = 1;
    refuse(&r, "file: beta1 is out of range (found 1, expected 0 or more, below 0.9999999)");
    *optim_value(&r.optim.settings, "beta1") = NAN;
    refuse(&r, "file: metadata 'beta1' has a bad value 'nan'");
    r.optim.settings = optim_defaults(&even_kind);
    refuse(&r, "file: of an optimiser that is not known here ('even')");
    toysteps_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw_by_hand),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_ends_of_ranges),
        cmocka_unit_test(test_settings_reach_their_rules),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_every_kind_resumes),
        cmocka_unit_test(test_arrays_in_the_file),
        cmocka_unit_test(test_settings_from_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
