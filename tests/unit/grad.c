/* Backward passes against finite differences, and what the golden files cannot show: ragged rows,
 * accumulation, any number of threads, overfitting. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "train/grad.h"
#include "train/init.h"
#include "train/optim.h"
#include "os/threads.h"
#include "os/pages.h"

struct fixture {
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    struct dims dims;
    struct net net;
    struct grad grad;
    struct optim optim;
    float *params;
    uint16_t *tokens;
    uint16_t *targets;
    uint32_t *pos;
    size_t rows;
};

static void lay_out(struct fixture *f, struct arena *a)
{
    struct optim_options o = optim_defaults();
    size_t n = dims_n_floats(&f->dims);
    f->params = arena_alloc(a, n, sizeof(float));
    f->tokens = arena_alloc(a, f->rows, sizeof *f->tokens);
    f->targets = arena_alloc(a, f->rows, sizeof *f->targets);
    f->pos = arena_alloc(a, f->rows, sizeof *f->pos);
    net_init(&f->net, &f->dims, f->rows, true, &f->kern, pool_threads(f->pool), a);
    grad_init(&f->grad, &f->net, a);
    optim_init(&f->optim, &o, n, a);
}

/* A model with random weights and random rows, sequences of uneven length. */
static void open_fixture(struct fixture *f, const struct cpu_level *level, int threads, size_t rows)
{
    struct err e;
    struct arena measure;
    struct rng rng;
    f->rows = rows;
    kern_init(&f->kern, level);
    f->pool = threads_new(threads, &e);
    assert_non_null(f->pool);
    arena_measure(&measure);
    lay_out(f, &measure);
    assert_int_equal(arena_init(&f->arena, &pages_memory, measure.used, &e), 0);
    lay_out(f, &f->arena);
    init_params(&f->dims, 7, f->params);
    rng_seed(&rng, 11, 0);
    for (size_t r = 0; r < rows; r++) {
        f->tokens[r] = (uint16_t)rng_below(&rng, (uint64_t)f->dims.V);
        f->targets[r] = (uint16_t)rng_below(&rng, (uint64_t)f->dims.V);
        f->pos[r] = r == 0 || rng_below(&rng, 17) == 0 ? 0 : f->pos[r - 1] + 1;
    }
}

static void close_fixture(struct fixture *f)
{
    threads_free(f->pool);
    arena_release(&f->arena);
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

static double loss_of(struct fixture *f)
{
    /* "ternary" weights are used as they are: with quantisation the loss has steps, not slopes */
    net_load(&f->net, f->pool, f->params, true);
    net_forward(&f->net, f->pool, f->tokens, f->pos, f->rows);
    net_nll(&f->net, f->pool, f->targets, f->rows, f->grad.loss.nll);
    double sum = 0;
    for (size_t r = 0; r < f->rows; r++)
        sum += (double)f->grad.loss.nll[r];
    return sum / (double)f->rows;
}

/* Every tensor: the slope along a random direction equals gradient . direction. */
static void test_finite_differences(void **state)
{
    (void)state;
    for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
        struct fixture f = {.dims = small_dims()};
        struct rng rng;
        open_fixture(&f, level, 2, 150);
        for (size_t i = 0; i < 37 * 12; i++)
            f.params[i] *= 20; /* a larger embedding, so that the loss is not flat */
        net_load(&f.net, f.pool, f.params, true);
        grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
        rng_seed(&rng, 3, 0);
        for (size_t i = 0; i < dims_n_tensors(&f.dims); i++) {
            struct tensor t;
            dims_tensor(&f.dims, i, &t);
            float *w = f.params + t.offset;
            const float *g = f.grad.g + t.offset;
            float *keep = malloc(t.n * sizeof *keep);
            float *way = malloc(t.n * sizeof *way);
            double slope = 0;
            double norm = 0;
            memcpy(keep, w, t.n * sizeof *keep);
            for (size_t j = 0; j < t.n; j++) {
                /* along the gradient plus noise, so that the slope is not lost in rounding */
                way[j] = g[j] * (1 + (float)rng_normal(&rng));
                norm += (double)way[j] * (double)way[j];
            }
            double h = 2e-3 / sqrt(norm);
            for (size_t j = 0; j < t.n; j++) {
                slope += (double)g[j] * (double)way[j];
                w[j] = keep[j] + (float)h * way[j];
            }
            double up = loss_of(&f);
            for (size_t j = 0; j < t.n; j++)
                w[j] = keep[j] - (float)h * way[j];
            double down = loss_of(&f);
            memcpy(w, keep, t.n * sizeof *keep);
            double measured = (up - down) / (2 * h);
            if (fabs(measured - slope) > 2e-2 * fabs(slope))
                fail_msg("%s at level %s: slope %g, gradient says %g", t.name, level->name,
                         measured, slope);
            free(way);
            free(keep);
        }
        close_fixture(&f);
    }
}

static void gradient_with(int threads, size_t rows, float *out, double *loss)
{
    struct fixture f = {.dims = small_dims()};
    open_fixture(&f, cpu_best(), threads, rows);
    net_load(&f.net, f.pool, f.params, false);
    *loss = grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
    memcpy(out, f.grad.g, dims_n_floats(&f.dims) * sizeof *out);
    close_fixture(&f);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    struct dims d = small_dims();
    size_t bytes = dims_n_floats(&d) * sizeof(float);
    float *one = malloc(bytes);
    float *other = malloc(bytes);
    double loss_one;
    double loss_other;
    gradient_with(1, 700, one, &loss_one);
    for (int threads = 2; threads <= 7; threads += 5) {
        gradient_with(threads, 700, other, &loss_other);
        assert_memory_equal(one, other, bytes);
        assert_true(loss_one == loss_other);
    }
    free(one);
    free(other);
}

/* Two halves accumulated are the whole. */
static void test_accumulation(void **state)
{
    (void)state;
    struct fixture f = {.dims = small_dims()};
    open_fixture(&f, cpu_best(), 2, 200);
    f.pos[100] = 0;
    for (size_t r = 101; r < 200; r++)
        f.pos[r] = f.pos[r] == 0 ? 0 : f.pos[r - 1] + 1;
    size_t n = dims_n_floats(&f.dims);
    float *whole = malloc(n * sizeof *whole);
    net_load(&f.net, f.pool, f.params, false);
    double loss = grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, 200, 1, true);
    memcpy(whole, f.grad.g, n * sizeof *whole);
    double a = grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, 100, 0.5f, true);
    double b =
        grad_batch(&f.grad, f.pool, f.tokens + 100, f.targets + 100, f.pos + 100, 100, 0.5f, false);
    assert_true(fabs(loss - (a + b) / 2) < 1e-6);
    float max = 0;
    float error = 0;
    for (size_t i = 0; i < n; i++) {
        max = fmaxf(max, fabsf(whole[i]));
        error = fmaxf(error, fabsf(whole[i] - f.grad.g[i]));
    }
    assert_true(error < 1e-5f * max);
    free(whole);
    close_fixture(&f);
}

/* The head's input gradient with a filter: the same bits where nothing is below it; else another,
 * but within 1 % of the largest it can be. */
static void test_head_filter(void **state)
{
    (void)state;
    struct fixture f = {.dims = small_dims()};
    f.dims.V = 3000;
    open_fixture(&f, cpu_best(), 2, 100);
    size_t n = f.rows * (size_t)f.dims.D;
    size_t n_likely = 300 * (size_t)f.dims.D;
    size_t n_embed = 3000 * (size_t)f.dims.D;
    float *exact = malloc(n * sizeof *exact);
    float largest = 0;
    for (size_t i = 0; i < n_likely; i++)
        f.params[i] *= 60; /* some tokens, all in the first block, have nearly all probability */
    for (size_t i = 0; i < n_embed; i++)
        largest = fmaxf(largest, fabsf(f.params[i]));
    net_load(&f.net, f.pool, f.params, false);
    grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
    memcpy(exact, f.grad.loss.d_hidden, n * sizeof *exact);

    f.grad.loss.filter = 1e-30f;
    grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
    assert_memory_equal(f.grad.loss.d_hidden, exact, n * sizeof *exact);

    f.grad.loss.filter = 1e-3f;
    grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
    assert_memory_not_equal(f.grad.loss.d_hidden, exact, n * sizeof *exact);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(f.grad.loss.d_hidden[i] - exact[i]) <= 0.01f * largest / (float)f.rows);
    free(exact);
    close_fixture(&f);
}

static void test_overfits_one_batch(void **state)
{
    (void)state;
    struct fixture f = {.dims = small_dims()};
    double loss = 0;
    f.dims.D = 32;
    f.dims.H = 64;
    open_fixture(&f, cpu_best(), 2, 64);
    for (uint64_t step = 1; step <= 400; step++) {
        net_load(&f.net, f.pool, f.params, false);
        loss = grad_batch(&f.grad, f.pool, f.tokens, f.targets, f.pos, f.rows, 1, true);
        double norm = optim_norm(&f.optim, &f.kern, f.pool, f.grad.g);
        optim_step(&f.optim, &f.kern, f.pool, f.params, f.grad.g, norm, 5e-3, step);
    }
    assert_true(loss < 0.05);
    close_fixture(&f);
}

/* AdamW by hand for one parameter over two steps, with clipping. */
static void test_adamw_by_hand(void **state)
{
    (void)state;
    struct err e;
    struct kern k;
    struct arena a;
    struct optim o;
    struct optim_options options = optim_defaults();
    struct pool *pool = threads_new(1, &e);
    kern_init(&k, CPU_C);
    arena_measure(&a);
    optim_init(&o, &options, 16, &a);
    assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
    optim_init(&o, &options, 16, &a);
    float w[16] = {1};
    float g[16] = {3, 4};
    double norm = optim_norm(&o, &k, pool, g);
    assert_true(norm == 5);
    optim_step(&o, &k, pool, w, g, norm, 0.1, 1);
    /* clipped gradient 0.6; m = 0.06, v = 0.018; m/bias1 = 0.6, sqrt(v/bias2) = 0.6 */
    assert_true(fabsf(w[0] - (1 * (1 - 0.1f * 0.01f) - 0.1f)) < 1e-6f);
    g[0] = -0.5f;
    g[1] = 0;
    optim_step(&o, &k, pool, w, g, 0.5, 0.1, 2);
    /* m = 0.9*0.06 - 0.05 = 0.004, v = 0.95*0.018 + 0.05*0.25 = 0.0296; bias 0.19, 0.0975 */
    double want = 0.899 * 0.999 - 0.1 * (0.004 / 0.19) / (sqrt(0.0296 / 0.0975) + 1e-8);
    assert_true(fabs((double)w[0] - want) < 1e-6);
    assert_true(w[2] == 0);
    arena_release(&a);
    threads_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences), cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_accumulation),       cmocka_unit_test(test_head_filter),
        cmocka_unit_test(test_overfits_one_batch), cmocka_unit_test(test_adamw_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
