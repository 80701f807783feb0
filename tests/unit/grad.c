/* Backward passes, what neither finite differences (slopes.c) nor the golden files can show: sums
 * of batches, any number of threads, overfitting. */
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
#include "support/toygrad.h"
#include "train/sums.h"

static void gradient_with(const struct dims *d, int threads, size_t rows, float *out, double *loss)
{
    struct toytrain f;
    toygrad_open(&f, d, cpu_best(), threads, rows);
    *loss = toytrain_gradient(&f, false);
    memcpy(out, f.gradient, dims_n_floats(&f.dims) * sizeof *out);
    toytrain_close(&f);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = toygrad_dims(i);
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

enum { PARTS_ROWS = 3 * NET_HEAD_ROWS - 64 };

/* The gradient of a batch that goes through in parts of at most so many rows; 0: all of them. Its
 * sequences are all `length` long, unless that is 0. */
static void gradient_in_parts(const struct dims *d, size_t part_rows, size_t length, bool bf16,
                              float *out, double *loss)
{
    struct toytrain f;
    struct toytrain_options o = {cpu_best(), .bf16 = bf16, .threads = 2, .part_rows = part_rows,
                                 .optim = optim_defaults(optim_kinds[0])};
    toygrad_open_with(&f, d, &o, PARTS_ROWS);
    for (size_t r = 0; length && r < PARTS_ROWS; r++)
        f.pos[r] = (uint32_t)(r % length);
    for (int again = 0; again < 2; again++) /* what the first one leaves has no influence */
        *loss = toytrain_gradient(&f, false);
    memcpy(out, f.gradient, dims_n_floats(&f.dims) * sizeof *out);
    toytrain_close(&f);
}

/* Parts that begin where a chunk of the head does leave the bits as they are. */
static void test_parts_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * TOY_N_EVERY; i++) {
        struct dims d = toygrad_dims(i / 2);
        size_t n = dims_n_floats(&d);
        bool bf16 = i % 2 == 1;
        float *whole = malloc(n * sizeof *whole);
        float *parts = malloc(n * sizeof *parts);
        double loss_whole;
        double loss;
        gradient_in_parts(&d, 0, 64, bf16, whole, &loss_whole);
        for (size_t rows = NET_HEAD_ROWS; rows <= 2 * NET_HEAD_ROWS; rows += NET_HEAD_ROWS) {
            gradient_in_parts(&d, rows, 64, bf16, parts, &loss);
            assert_memory_equal(parts, whole, n * sizeof *parts);
            assert_true(loss == loss_whole);
        }
        free(whole);
        free(parts);
    }
}

/* Others, which end where the last sequence does that fits, change the rounding alone. */
static void test_uneven_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = toygrad_dims(i);
        size_t n = dims_n_floats(&d);
        float *whole = malloc(n * sizeof *whole);
        float *parts = malloc(n * sizeof *parts);
        double loss_whole;
        double loss;
        gradient_in_parts(&d, 0, 0, false, whole, &loss_whole);
        gradient_in_parts(&d, 301, 0, false, parts, &loss);
        assert_true(fabs(loss - loss_whole) < 1e-6);
        float max = 0;
        float error = 0;
        for (size_t j = 0; j < n; j++) {
            max = fmaxf(max, fabsf(whole[j]));
            error = fmaxf(error, fabsf(parts[j] - whole[j]));
        }
        assert_true(error > 0 && error < 1e-5f * max);
        free(whole);
        free(parts);
    }
}

/* Parts are even, and give all threads enough to do; of sequences of any length they are the same
 * for any threads, and leave room for the longest. */
static void test_sizes_of_parts(void **state)
{
    (void)state;
    assert_int_equal(grad_part_rows(2048, 256, true, 1), 512);
    assert_int_equal(grad_part_rows(2048, 256, true, 2), 512);
    assert_int_equal(grad_part_rows(2048, 256, true, 3), 1024);
    assert_int_equal(grad_part_rows(2048, 256, true, 5), 2048);
    assert_int_equal(grad_part_rows(2560, 256, true, 3), 1536);
    assert_int_equal(grad_part_rows(2048, 256, true, 64), 2048);
    assert_int_equal(grad_part_rows(7680, 384, true, 2), 1536);
    assert_int_equal(grad_part_rows(800, 100, true, 2), 800);
    assert_int_equal(grad_part_rows(256, 256, true, 2), 256);
    assert_int_equal(grad_part_rows(256, 256, false, 2), 256);
    for (int threads = 1; threads < 100; threads *= 3) {
        assert_int_equal(grad_part_rows(4096, 256, false, threads), 4096);
        assert_int_equal(grad_part_rows(8192, 512, false, threads), 4096 + 512);
        assert_int_equal(grad_part_rows(14336, 512, false, threads), 14336 / 3 + 1 + 512);
    }
}

/* Two halves, each with half the share, add up to the whole. */
static void check_shares(const struct dims *d)
{
    struct toytrain f;
    toygrad_open(&f, d, cpu_best(), 2, 200);
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
        struct dims d = toygrad_dims(i);
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
    struct dims d = toygrad_small();
    d.V = 3000;
    struct toytrain f;
    toygrad_open(&f, &d, cpu_best(), 2, 100);
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

/* Tiles follow the size of the cache and the number of threads; the gradient does not, in floats
 * nor in bf16. */
static void test_tiles_of_the_head_do_not_matter(void **state)
{
    (void)state;
    static const struct {
        size_t cache;
        int threads;
    } ways[] = {{1, 1}, {1 << 20, 1}, {1 << 24, 1}, {1 << 19, 3}, {1 << 21, 5}};
    struct dims d = toygrad_small();
    d.V = 1501;
    size_t bytes = dims_n_floats(&d) * sizeof(float);
    float *first = malloc(bytes);
    for (int bf16 = 0; bf16 < 2; bf16++)
        for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
            struct toytrain f;
            toygrad_open_with(&f, &d,
                              &(struct toytrain_options){
                                  cpu_best(), .bf16 = bf16, .threads = ways[i].threads,
                                  .cache = ways[i].cache, .optim = optim_defaults(optim_kinds[0])},
                              333);
            f.params[1400 * d.D] = 3; /* far above the first ones, in some rows */
            toytrain_gradient(&f, false);
            if (i == 0)
                memcpy(first, f.gradient, bytes);
            else
                assert_memory_equal(f.gradient, first, bytes);
            toytrain_close(&f);
        }
    free(first);
}

/* Rows whose largest logit stands far above their first ones, and loss and gradient of plain
 * doubles beside theirs. */
static void test_late_large_logits(void **state)
{
    (void)state;
    struct dims d = toygrad_small();
    d.V = 700;
    struct toytrain f;
    toygrad_open(&f, &d, cpu_best(), 2, 100);
    size_t D = (size_t)f.dims.D;
    size_t raised = 0;
    for (size_t i = 0; i < D; i++)
        f.params[500 * D + i] = 40 * (float)((int)(i % 3) - 1);
    toytrain_gradient(&f, false);
    for (size_t r = 0; r < f.batch.rows; r++) {
        const float *hidden = f.net.hidden.floats + r * D;
        double logits[700];
        double sum = 0;
        double early = -INFINITY;
        double most = -INFINITY;
        for (size_t v = 0; v < 700; v++) {
            logits[v] = 0;
            for (size_t i = 0; i < D; i++)
                logits[v] += (double)hidden[i] * (double)f.params[v * D + i];
            most = fmax(most, logits[v]);
            early = v < KERN_SUM_COLUMNS ? fmax(early, logits[v]) : early;
        }
        for (size_t v = 0; v < 700; v++)
            sum += exp(logits[v] - most);
        raised += most - early > 60;
        double nll = most + log(sum) - logits[f.targets[r]];
        assert_true(fabs((double)f.grad.loss.nll[r] - nll) <= 1e-5 * (1 + fabs(most) + nll));
        for (size_t i = 0; i < D; i++) {
            double want = -(double)f.params[f.targets[r] * D + i];
            for (size_t v = 0; v < 700; v++)
                want += exp(logits[v] - most) / sum * (double)f.params[v * D + i];
            assert_true(fabs((double)f.grad.loss.d_hidden[r * D + i] * (double)f.batch.rows -
                             want) <= 1e-3);
        }
    }
    assert_in_range(raised, 10, 90);
    toytrain_close(&f);
}

static void test_overfits_one_batch(void **state)
{
    (void)state;
    struct dims d = toygrad_small();
    double loss = 0;
    d.D = 32;
    d.H = 64;
    struct toytrain f;
    toygrad_open(&f, &d, cpu_best(), 2, 64);
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
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_parts_do_not_matter),
        cmocka_unit_test(test_uneven_parts),
        cmocka_unit_test(test_sizes_of_parts),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_sums_are_the_tree),
        cmocka_unit_test(test_sums_of_parts_are_the_tree),
        cmocka_unit_test(test_head_filter),
        cmocka_unit_test(test_tiles_of_the_head_do_not_matter),
        cmocka_unit_test(test_late_large_logits),
        cmocka_unit_test(test_overfits_one_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
