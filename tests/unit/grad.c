/* Backward passes against finite differences, and what the golden files cannot show: ragged rows,
 * sums of batches, any number of threads, overfitting. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "os/pages.h"
#include "os/threads.h"
#include "support/toy.h"
#include "support/toytrain.h"
#include "train/init.h"
#include "train/sums.h"

/* A model with random weights and random rows, sequences of uneven length. */
static void open_random(struct toytrain *t, const struct dims *d, const struct cpu_level *level,
                        int threads, size_t rows)
{
    struct err e;
    struct rng rng;
    struct toytrain_options o = {level, .threads = threads,
                                 .optim = optim_defaults(optim_kinds[0])};
    if (toytrain_open(t, d, rows, &o, &e))
        fail_msg("%s", e.text);
    init_params(d, 7, t->params);
    rng_seed(&rng, 11, 0);
    for (size_t r = 0; r < rows; r++) {
        t->tokens[r] = (uint16_t)rng_below(&rng, (uint64_t)d->V);
        t->targets[r] = (uint16_t)rng_below(&rng, (uint64_t)d->V);
        t->pos[r] = r == 0 || rng_below(&rng, 17) == 0 ? 0 : t->pos[r - 1] + 1;
    }
}

static struct dims small_dims(void)
{
    struct dims d;
    dims_small(&d, 37);
    d.D = 12;
    d.H = 20;
    d.K = 3;
    d.L = 2;
    d.dilation[1] = 2;
    return d;
}

/* Small models of every mixer, i < TOY_N_EVERY: alone in a block and wider than a tile of rows,
 * then in turn and narrow. */
static struct dims mixed_dims(size_t i)
{
    struct dims d = small_dims();
    bool alone = i < DIMS_N_MIXERS;
    d.L = alone ? 1 : DIMS_N_MIXERS;
    return toy_every(d, alone ? 2 : 3, alone ? 3 : 5, alone ? 70 : 7, i);
}

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
        open_random(&f, d, level, 2, 150);
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
        struct dims d = mixed_dims(i);
        finite_differences(&d);
    }
}

static void gradient_with(const struct dims *d, int threads, size_t rows, float *out, double *loss)
{
    struct toytrain f;
    open_random(&f, d, cpu_best(), threads, rows);
    *loss = toytrain_gradient(&f, false);
    memcpy(out, f.gradient, dims_n_floats(&f.dims) * sizeof *out);
    toytrain_close(&f);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = mixed_dims(i);
        size_t bytes = dims_n_floats(&d) * sizeof(float);
        float *one = malloc(bytes);
        float *other = malloc(bytes);
        double loss_one;
        double loss_other;
        gradient_with(&d, 1, 700, one, &loss_one);
        for (int threads = 2; threads <= 7; threads += 5) {
            gradient_with(&d, threads, 700, other, &loss_other);
            assert_memory_equal(one, other, bytes);
            assert_true(loss_one == loss_other);
        }
        free(one);
        free(other);
    }
}

/* Two halves, each with half the share, add up to the whole. */
static void check_shares(const struct dims *d)
{
    struct toytrain f;
    open_random(&f, d, cpu_best(), 2, 200);
    f.pos[100] = 0;
    for (size_t r = 101; r < 200; r++)
        f.pos[r] = f.pos[r] == 0 ? 0 : f.pos[r - 1] + 1;
    size_t n = dims_n_floats(&f.dims);
    float *half[2];
    double loss[2];
    for (size_t i = 0; i < 2; i++) {
        size_t first = 100 * i;
        struct grad_batch b = {f.tokens + first, f.targets + first, f.pos + first, 100};
        half[i] = calloc(n, sizeof(float));
        net_load(&f.net, f.pool, f.params, false);
        grad_start(&f.grad, &b, 0.5f, half[i]);
        while (grad_round(&f.grad, f.pool) != GRAD_DONE)
            continue;
        loss[i] = grad_loss(&f.grad);
    }
    double whole = toytrain_gradient(&f, false);
    assert_true(fabs(whole - (loss[0] + loss[1]) / 2) < 1e-6);
    float max = 0;
    float error = 0;
    for (size_t i = 0; i < n; i++) {
        max = fmaxf(max, fabsf(f.gradient[i]));
        error = fmaxf(error, fabsf(f.gradient[i] - (half[0][i] + half[1][i])));
    }
    assert_true(error < 1e-5f * max);
    free(half[0]);
    free(half[1]);
    toytrain_close(&f);
}

static void test_shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = mixed_dims(i);
        check_shares(&d);
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

enum { SUM_FLOATS = 20000 }; /* more than one task of the pool */

/* Numbers of very different sizes, so that the order of a sum shows. */
static void make_leaf(size_t number, float *out)
{
    struct rng rng;
    rng_seed(&rng, number, 9);
    for (size_t i = 0; i < SUM_FLOATS; i++)
        out[i] = (float)(rng_normal(&rng) * exp(8 * rng_unit(&rng)));
}

/* The sum of leaves [first, first + n), as sums.h defines it. */
static double tree_sum(size_t first, size_t n, float *out)
{
    if (n == 1) {
        make_leaf(first, out);
        return 1.0 / (double)(first + 3);
    }
    size_t p = 1;
    while (2 * p < n)
        p *= 2;
    float *right = malloc(SUM_FLOATS * sizeof *right);
    double sum = tree_sum(first, p, out) + tree_sum(first + p, n - p, right);
    for (size_t i = 0; i < SUM_FLOATS; i++)
        out[i] += right[i];
    free(right);
    return sum;
}

/* Whatever the number of leaves and of threads; the second sum reuses the arrays of the first. */
static void test_sums_are_the_tree(void **state)
{
    (void)state;
    struct err e;
    struct kern k;
    float *want = malloc(SUM_FLOATS * sizeof *want);
    kern_init(&k, cpu_best());
    for (size_t n = 1; n <= 17; n++) {
        struct pool *pool = threads_new((int)n % 3 + 1, &e);
        struct arena a;
        struct sums s;
        arena_measure(&a);
        sums_init(&s, SUM_FLOATS, n, &a);
        size_t log2 = n >= 16 ? 4 : n >= 8 ? 3 : n >= 4 ? 2 : n >= 2 ? 1 : 0;
        assert_int_equal(s.depth, log2 + 1);
        assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
        sums_init(&s, SUM_FLOATS, n, &a);
        for (int round = 0; round < 2; round++) {
            sums_start(&s);
            for (size_t i = 0; i < n; i++) {
                make_leaf(i, sums_leaf(&s));
                sums_add(&s, &k, pool, 1.0 / (double)(i + 3));
            }
            const struct sums_part *sum = sums_total(&s, &k, pool);
            assert_true(sum->loss == tree_sum(0, n, want));
            assert_int_equal(sum->n_leaves, n);
            assert_memory_equal(sum->x, want, SUM_FLOATS * sizeof *want);
        }
        arena_release(&a);
        threads_free(pool);
    }
    free(want);
}

/* Where the last leaf is added place by place, in any order of the places, the bits are the same.
 */
static void test_sums_of_parts_are_the_tree(void **state)
{
    (void)state;
    struct err e;
    struct kern k;
    float *want = malloc(SUM_FLOATS * sizeof *want);
    kern_init(&k, cpu_best());
    for (size_t n = 1; n <= 8; n *= 2) {
        struct arena a;
        struct sums s;
        arena_measure(&a);
        sums_init(&s, SUM_FLOATS, n, &a);
        assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
        sums_init(&s, SUM_FLOATS, n, &a);
        sums_start(&s);
        for (size_t i = 0; i < n; i++) {
            make_leaf(i, sums_leaf(&s));
            if (i + 1 < n)
                sums_add(&s, &k, NULL, 1.0 / (double)(i + 3));
        }
        sums_fold(&s, &k, NULL, 100, SUM_FLOATS - 100);
        sums_fold(&s, &k, NULL, 0, 100);
        const struct sums_part *sum = sums_close(&s, 1.0 / (double)(n + 2));
        assert_true(sum->loss == tree_sum(0, n, want));
        assert_int_equal(sum->n_leaves, n);
        assert_memory_equal(sum->x, want, SUM_FLOATS * sizeof *want);
        arena_release(&a);
    }
    free(want);
}

/* The head's input gradient with a filter: the same bits where nothing is below it; else another,
 * but within 1 % of the largest it can be. */
static void test_head_filter(void **state)
{
    (void)state;
    struct dims d = small_dims();
    d.V = 3000;
    struct toytrain f;
    open_random(&f, &d, cpu_best(), 2, 100);
    size_t n = f.batch.rows * (size_t)d.D;
    size_t n_likely = 300 * (size_t)f.dims.D;
    size_t n_embed = 3000 * (size_t)f.dims.D;
    float *exact = malloc(n * sizeof *exact);
    float largest = 0;
    for (size_t i = 0; i < n_likely; i++)
        f.params[i] *= 60; /* some tokens, all in the first block, have nearly all probability */
    for (size_t i = 0; i < n_embed; i++)
        largest = fmaxf(largest, fabsf(f.params[i]));
    toytrain_gradient(&f, false);
    memcpy(exact, f.grad.loss.d_hidden, n * sizeof *exact);

    f.grad.loss.filter = 1e-30f;
    toytrain_gradient(&f, false);
    assert_memory_equal(f.grad.loss.d_hidden, exact, n * sizeof *exact);

    f.grad.loss.filter = 1e-3f;
    toytrain_gradient(&f, false);
    assert_memory_not_equal(f.grad.loss.d_hidden, exact, n * sizeof *exact);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(f.grad.loss.d_hidden[i] - exact[i]) <=
                    0.01f * largest / (float)f.batch.rows);
    free(exact);
    toytrain_close(&f);
}

static void test_overfits_one_batch(void **state)
{
    (void)state;
    struct dims d = small_dims();
    double loss = 0;
    d.D = 32;
    d.H = 64;
    struct toytrain f;
    open_random(&f, &d, cpu_best(), 2, 64);
    for (uint64_t step = 1; step <= 400; step++) {
        loss = toytrain_gradient(&f, false);
        toytrain_step(&f, 5e-3, step);
    }
    assert_true(loss < 0.05);
    toytrain_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_sums_are_the_tree),
        cmocka_unit_test(test_sums_of_parts_are_the_tree),
        cmocka_unit_test(test_head_filter),
        cmocka_unit_test(test_overfits_one_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
