/* Backward passes against finite differences: every tensor, at every level. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "support/toy.h"
#include "support/toygrad.h"

/* The slope of the loss when w[n] moves along way[n], by differences. */
static double slope_of(struct toytrain *f, float *w, const float *way, size_t n)
{
    float *keep = malloc(n * sizeof *keep);
    double norm = 0;
    memcpy(keep, w, n * sizeof *keep);
    for (size_t j = 0; j < n; j++)
        norm += (double)way[j] * (double)way[j];
    double h = 2e-3 / sqrt(norm);
    for (size_t j = 0; j < n; j++)
        w[j] = keep[j] + (float)h * way[j];
    double up = toytrain_loss(f, true);
    for (size_t j = 0; j < n; j++)
        w[j] = keep[j] - (float)h * way[j];
    double down = toytrain_loss(f, true);
    memcpy(w, keep, n * sizeof *keep);
    free(keep);
    return (up - down) / (2 * h);
}

/* Along the gradient with noise, where a wrong length shows best: the slope is gradient . way. */
static bool right_along_gradient(struct toytrain *f, float *w, const float *g, size_t n,
                                 struct rng *rng)
{
    float *way = malloc(n * sizeof *way);
    double said = 0;
    for (size_t j = 0; j < n; j++) {
        way[j] = g[j] * (1 + (float)rng_normal(rng));
        said += (double)g[j] * (double)way[j];
    }
    bool right = fabs(slope_of(f, w, way, n) - said) <= 2e-2 * fabs(said);
    free(way);
    return right;
}

/* Along ways that know nothing of the gradient, so that an element whose gradient is wrongly zero
 * moves too; few elements at a time, so that one of them weighs. */
static bool right_anywhere(struct toytrain *f, float *w, const float *g, size_t n, struct rng *rng)
{
    enum { FEW = 16 };
    const double rounding = 4e-5; /* of the loss's float parts, over 2 h */
    float way[FEW];
    bool right = true;
    for (size_t i = 0; i < n; i += FEW) {
        size_t few = n - i < FEW ? n - i : FEW;
        double said = 0, g_norm = 0, norm = 0;
        for (size_t j = 0; j < few; j++) {
            way[j] =
                (float)(rng_below(rng, 2) ? 1 : -1) * (0.5f + (float)rng_below(rng, 100) / 100);
            said += (double)g[i + j] * (double)way[j];
            g_norm += (double)g[i + j] * (double)g[i + j];
            norm += (double)way[j] * (double)way[j];
        }
        double measured = slope_of(f, w + i, way, few);
        if (fabs(measured - said) > sqrt(norm) * (1e-2 * sqrt(g_norm) + rounding))
            right = false;
    }
    return right;
}

static size_t largest(const float *g, size_t n)
{
    size_t at = 0;
    for (size_t j = 1; j < n; j++)
        if (fabsf(g[j]) > fabsf(g[at]))
            at = j;
    return at;
}

static void finite_differences(const struct dims *d)
{
    for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
        struct toytrain f;
        toygrad_open(&f, d, level, 1, 150);
        struct rng rng;
        for (size_t i = 0; i < 37 * 12; i++)
            f.params[i] *= 20; /* a larger embedding, so that the loss is not flat */
        /* "ternary" weights are used as they are: with quantisation the loss has steps, not slopes
         */
        toytrain_gradient(&f, true);
        rng_seed(&rng, 3, 0);
        for (size_t i = 0; i < dims_n_tensors(&f.dims); i++) {
            struct tensor t;
            dims_tensor(&f.dims, i, &t);
            float *w = f.params + t.offset;
            float *g = f.gradient + t.offset;
            if (!right_along_gradient(&f, w, g, t.n, &rng) || !right_anywhere(&f, w, g, t.n, &rng))
                fail_msg("%s at level %s: not the slope the gradient says", t.name, level->name);
            if (level != CPU_C)
                continue;
            g[largest(g, t.n)] = 0; /* only an independent way shows this */
            assert_true(right_along_gradient(&f, w, g, t.n, &rng));
            assert_false(right_anywhere(&f, w, g, t.n, &rng));
        }
        toytrain_close(&f);
    }
}

/* Every tensor, at every level: the slopes are those the gradient says. */
static void test_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = toygrad_dims(i);
        finite_differences(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
