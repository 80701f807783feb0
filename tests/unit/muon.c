/* Muon: against its definition in double; how orthogonal its steps are; what they do not depend on.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy.h"
#include "support/toysteps.h"
#include "train/muon.h"
#include "train/ortho.h"

/* ---- by its definition, in double -------------------------------------------------------------
 */

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

static double *orthogonal(const double *y, size_t rows, size_t cols, size_t n_iterations)
{
    static const double newton_schulz[3] = {3.4445, -4.7750, 2.0315};
    double *x = calloc(rows * cols, sizeof *x);
    double sum = 0;
    for (size_t i = 0; i < rows * cols; i++)
        sum += y[i] * y[i];
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = y[i] / (1.02 * sqrt(sum) + 1e-6);
    for (size_t i = 0; i < n_iterations; i++)
        x = iterate(x, rows, cols, newton_schulz);
    return x;
}

/* What two steps make of a part of a tensor: the difference to what they should, in units of the
 * 2-norm of all that has changed. */
static double error_of_part(const struct tensor *t, size_t part, float *const g[2],
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
        double *x = orthogonal(y, rows, cols, (size_t)*optim_value(s, "muon_iterations"));
        for (size_t i = 0; i < n; i++) {
            double decay = lr * *optim_value(s, "muon_decay");
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

/* The largest error of two steps among all parts of all ternary matrices. */
static double muon_error(const struct dims *d, struct optim_settings *s, bool bf16)
{
    struct toysteps r;
    double worst = 0;
    toysteps_open(&r, d, s, (struct toysteps_how){cpu_best(), bf16, 2});
    float *before = toy_params(d, 1);
    float *const g[2] = {toysteps_gradient(&r, 1), toysteps_gradient(&r, 2)};
    for (size_t i = 0; i < 2; i++)
        toysteps_step(&r, g[i], optim_norm(&r.optim, r.pool, g[i]), 0.01, 0.5, i + 1);
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        for (size_t part = 0; t.form == TENSOR_TERNARY && part < (size_t)t.n_parts; part++)
            worst = MAX(worst, error_of_part(&t, part, g, before, r.params, s));
    }
    free(before);
    free(g[0]);
    free(g[1]);
    toysteps_close(&r);
    return worst;
}

/* Settings that show, so that two steps depend on each. */
static struct optim_settings settings_of(int n_iterations)
{
    struct optim_settings s = optim_defaults(&muon_kind);
    *optim_value(&s, "muon_lr") = 0.1;
    *optim_value(&s, "muon_warmup") = 4;
    *optim_value(&s, "muon_iterations") = n_iterations;
    *optim_value(&s, "muon_decay") = 0.3;
    return s;
}

/* Blocks and panels of which none is whole; more rows, and fewer, than columns. */
static void test_definition(void **state)
{
    (void)state;
    const struct dims sizes[] = {toy_dims(20, 66, 97, 3, 1, "1"), toy_dims(20, 70, 45, 3, 1, "1"),
                                 toy_dims(20, 3, 5, 3, 1, "1"), toy_dims(20, 1, 2, 3, 1, "1")};
    for (size_t size = 0; size < ARRAY_LEN(sizes); size++)
        for (int n = 1; n <= ORTHO_MOST; n++) {
            struct optim_settings s = settings_of(n);
            double f32 = muon_error(&sizes[size], &s, false);
            if (!(f32 < (sizes[size].D < 64 ? 1e-3 : 1e-4)))
                fail_msg("size %zu, %d iterations: error %g", size, n, f32);
            if (sizes[size].D < 64 || n < 3 ||
                n == 5) /* where one direction is all, rounding is more of it */
                continue;
            double bf16 = muon_error(&sizes[size], &s, true);
            if (!(bf16 < 0.02))
                fail_msg("size %zu, %d iterations: error %g in bf16", size, n, bf16);
        }
}

/* ---- what follows from it -------------------------------------------------------------------- */

/* After a first step from nothing, with rate 1: the weights are the steps. */
static void first_step(struct toysteps *r, struct dims d, struct optim_settings *s, bool bf16,
                       float scale)
{
    *optim_value(s, "muon_lr") = 1;
    *optim_value(s, "muon_decay") = 0;
    toysteps_open(r, &d, s, (struct toysteps_how){cpu_best(), bf16, 2});
    float *g = toysteps_gradient(r, 1);
    memset(r->params, 0, dims_n_floats(&d) * sizeof(float));
    for (size_t i = 0; i < dims_n_floats(&d); i++)
        g[i] *= scale;
    toysteps_step(r, g, optim_norm(&r->optim, r->pool, g), 0.01, 1, 1);
    free(g);
}

/* The mean of the squared singular values, and the root of the mean square of what is beside the
 * diagonal of X'X, in units of that mean. */
static void look_at(const struct tensor *t, size_t part, const float *params, double *mean,
                    double *beside)
{
    size_t rows = t->shape[0] / (size_t)t->n_parts;
    size_t cols = t->shape[1];
    size_t side = MIN(rows, cols);
    double *x = calloc(rows * cols, sizeof *x);
    double ratio = sqrt(MAX(1.0, (double)rows / (double)cols));
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = (double)params[t->offset + part * rows * cols + i] / ratio;
    double *a = gram_of(x, rows, cols);
    *mean = *beside = 0;
    for (size_t i = 0; i < side; i++)
        *mean += a[i * side + i] / (double)side;
    for (size_t i = 0; i < side * side; i++)
        if (i % (side + 1))
            *beside += a[i] * a[i] / (double)(side * side);
    *beside = sqrt(*beside) / *mean;
    free(a);
    free(x);
}

/* Newton-Schulz brings singular values to between 0.7 and 1.2. */
static void test_steps_are_orthogonal(void **state)
{
    (void)state;
    struct dims d = toy_dims(20, 100, 130, 3, 1, "1");
    for (int bf16 = 0; bf16 < 2; bf16++) {
        struct toysteps r;
        struct optim_settings s = settings_of(5);
        first_step(&r, d, &s, bf16, 1);
        for (size_t i = 0; i < dims_n_tensors(&d); i++) {
            struct tensor t;
            double mean;
            double beside;
            dims_tensor(&d, i, &t);
            for (size_t part = 0; t.form == TENSOR_TERNARY && part < (size_t)t.n_parts; part++) {
                look_at(&t, part, r.params, &mean, &beside);
                if (!(fabs(mean - 0.8) < 0.15 && beside < 0.05))
                    fail_msg("%s: mean %g, beside %g", t.name, mean, beside);
            }
        }
        toysteps_close(&r);
    }
}

/* Neither clipping nor the scale of the gradient changes a first step; nothing moves along no
 * gradient. */
static void test_scale_of_the_gradient(void **state)
{
    (void)state;
    struct dims d = toy_dims(20, 70, 101, 3, 1, "1");
    struct toysteps r[4];
    struct optim_settings s = settings_of(3);
    first_step(&r[0], d, &s, false, 1);
    first_step(&r[1], d, &s, false, 1024);
    first_step(&r[3], d, &s, false, 0);
    *optim_value(&s, "grad_clip") = 1e-3;
    first_step(&r[2], d, &s, false, 1);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        for (size_t j = t.offset; t.form == TENSOR_TERNARY && j < t.offset + t.n; j++) {
            assert_true(fabsf(r[0].params[j] - r[1].params[j]) < 1e-4f);
            assert_true(r[0].params[j] == r[2].params[j]);
            assert_true(r[3].params[j] == 0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        toysteps_close(&r[i]);
}

/* The tensors of all blocks become those of the first. */
static void make_alike(const struct dims *d, float *x)
{
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        if (t.block > 0)
            memcpy(x + t.offset, x + dims_offset(d, t.kind, 0), t.n * sizeof *x);
    }
}

/* Blocks that are alike stay so, though more of them than fit are not stepped together. */
static void test_alike_blocks(void **state)
{
    (void)state;
    struct dims d = toy_dims(20, 64, 4200, 3, 2, "1");
    struct toysteps r;
    struct optim_settings s = settings_of(4);
    toysteps_open(&r, &d, &s, (struct toysteps_how){cpu_best(), false, 2});
    float *g = toysteps_gradient(&r, 1);
    make_alike(&d, r.params);
    make_alike(&d, g);
    toysteps_step(&r, g, optim_norm(&r.optim, r.pool, g), 0.01, 1, 1);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        if (t.block > 0)
            assert_memory_equal(r.params + t.offset, r.params + dims_offset(&d, t.kind, 0),
                                t.n * sizeof *g);
    }
    free(g);
    toysteps_close(&r);
}

static void test_rounds(void **state)
{
    (void)state;
    for (size_t n = 1; n <= ORTHO_MOST; n++) {
        size_t count = 0;
        while (ortho_round(n, count).what != ORTHO_NOTHING)
            count++;
        assert_true(count <= ORTHO_ROUNDS);
        assert_int_equal(ortho_round(n, count - 1).what, ORTHO_RESULT);
        assert_true(ortho_round(n, count - 1).last);
        if (n == ORTHO_MOST)
            assert_int_equal(count, ORTHO_ROUNDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_steps_are_orthogonal),
        cmocka_unit_test(test_scale_of_the_gradient),
        cmocka_unit_test(test_alike_blocks),
        cmocka_unit_test(test_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
