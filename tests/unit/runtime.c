/* The functions inside the C source that export writes, beside those of the project: the same bits.
 * And its sampler, on the eight tokens of the example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/base.h"
#include "base/fmath.h"
#include "base/rng.h"
#include "export/runtime.c"

static void expect_bits(float x, float got, float want)
{
    if (bits_of(got) != bits_of(want) && !(isnan(got) && isnan(want)))
        fail_msg("f(%a) = %a, expected %a", (double)x, (double)got, (double)want);
}

/* Every exponent with fractions of all kinds; neighbours of squares; the ends. */
static void test_square_root(void **state)
{
    static const uint32_t fractions[] = {0, 1, 2, 0x3fffff, 0x400000, 0x400001, 0x7ffffe, 0x7fffff};
    struct rng r;
    (void)state;
    rng_seed(&r, 3, 0);
    for (uint32_t exponent = 0; exponent <= 255; exponent++) {
        for (size_t i = 0; i < ARRAY_LEN(fractions); i++) {
            float x = float_of(exponent << 23 | fractions[i]);
            expect_bits(x, square_root(x), sqrtf(x));
        }
        for (int i = 0; i < 1000; i++) {
            float x = float_of(exponent << 23 | (uint32_t)rng_below(&r, 1 << 23));
            expect_bits(x, square_root(x), sqrtf(x));
        }
    }
    for (int i = 1; i < 5000; i++)
        for (int step = -1; step <= 1; step++) {
            float x = float_of(bits_of((float)i * (float)i) + (uint32_t)step);
            expect_bits(x, square_root(x), sqrtf(x));
        }
}

static void test_exponential(void **state)
{
    static const float ends[] = {0,   -0.0f,  87,      88.7f,  88.72f, 89,
                                 -87, -87.3f, -87.31f, -1e30f, 1e30f};
    struct rng r;
    (void)state;
    rng_seed(&r, 4, 0);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        expect_bits(ends[i], exponential(ends[i]), fmath_expf(ends[i]));
    expect_bits(NAN, exponential(NAN), NAN);
    expect_bits(INFINITY, exponential(INFINITY), INFINITY);
    for (int i = 0; i < 200000; i++) {
        float x = (float)(rng_unit(&r) * 180 - 90);
        expect_bits(x, exponential(x), fmath_expf(x));
        x = (float)rng_normal(&r);
        expect_bits(x, exponential(x), fmath_expf(x));
    }
}

static void set_logits(struct runtime *s, const float *y)
{
    for (size_t i = 0; i < RUNTIME_VOCAB; i++)
        s->logits[i] = y[i];
}

/* The lowest of equals; never padding, unknown or begin; a NaN only where nothing else is. */
static void test_argmax(void **state)
{
    static const struct {
        float logits[RUNTIME_VOCAB];
        uint16_t want;
    } cases[] = {
        {{9, 9, 9, 1, 2, 3, 3, 0}, 5},
        {{9, 9, 9, 1, 1, 1, 1, 1}, 3},
        {{0, 0, 0, -5, -4, -6, -4, -7}, 4},
        {{0, 0, 0, NAN, -3, NAN, -2, NAN}, 6},
        {{0, 0, 0, NAN, NAN, NAN, NAN, NAN}, 3},
        {{0, 0, 0, -INFINITY, -INFINITY, 0, INFINITY, 1}, 6},
    };
    struct runtime s;
    (void)state;
    runtime_reset(&s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set_logits(&s, cases[i].logits);
        assert_int_equal(runtime_argmax(&s), cases[i].want);
        assert_int_equal(runtime_sample(&s, 0, 0), cases[i].want);
    }
}

/* Frequencies of 100,000 draws beside the probabilities: five standard deviations. */
static void test_sample(void **state)
{
    enum { DRAWS = 100000 };
    static const float y[RUNTIME_VOCAB] = {5, 5, 5, 0.5f, -1, 1.5f, 0, 1};
    static const struct {
        float temperature;
        uint32_t top_k;
    } cases[] = {{1, 0}, {0.7f, 0}, {1, 3}, {2, 2}, {0.5f, 100}, {1, 1}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct runtime s;
        size_t counts[RUNTIME_VOCAB] = {0};
        double weights[RUNTIME_VOCAB] = {0};
        double sum = 0;
        runtime_reset(&s);
        runtime_seed(&s, (uint32_t)i);
        set_logits(&s, y);
        for (int n = 0; n < DRAWS; n++)
            counts[runtime_sample(&s, cases[i].temperature, cases[i].top_k)]++;
        for (size_t id = RUNTIME_END; id < RUNTIME_VOCAB; id++) {
            size_t better = 0;
            for (size_t other = RUNTIME_END; other < RUNTIME_VOCAB; other++)
                better += y[other] > y[id];
            if (cases[i].top_k == 0 || better < cases[i].top_k)
                weights[id] = exp((double)(y[id] / cases[i].temperature));
            sum += weights[id];
        }
        for (size_t id = 0; id < RUNTIME_VOCAB; id++) {
            double p = weights[id] / sum;
            double off = fabs((double)counts[id] - p * DRAWS);
            if (!(off <= 5 * sqrt(p * (1 - p) * DRAWS)))
                fail_msg("case %zu: token %zu drawn %zu times, expected %.0f", i, id, counts[id],
                         p * DRAWS);
        }
    }
}

/* The same seed, the same draws; another, others. */
static void test_seeds(void **state)
{
    static const float y[RUNTIME_VOCAB] = {0};
    struct runtime s;
    uint16_t first[64];
    size_t differ = 0;
    (void)state;
    runtime_reset(&s);
    set_logits(&s, y);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        first[i] = runtime_sample(&s, 1, 0);
    runtime_seed(&s, 1); /* as the reset */
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        assert_int_equal(runtime_sample(&s, 1, 0), first[i]);
    runtime_seed(&s, 2);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        differ += runtime_sample(&s, 1, 0) != first[i];
    assert_true(differ > 30);
}

static void test_example_runs(void **state)
{
    struct runtime s, other;
    size_t n;
    (void)state;
    runtime_reset(&s);
    runtime_reset(&other);
    for (uint16_t token = 0; token < 2 * RUNTIME_VOCAB; token++) {
        const float *y = runtime_step(&s, token);
        for (size_t i = 0; i < RUNTIME_VOCAB; i++)
            assert_true(isfinite(y[i]));
        assert_int_equal(runtime_step_argmax(&other, token), runtime_argmax(&s));
    }
    assert_memory_equal(runtime_text(7, &n), "ab", 2);
    assert_int_equal(n, 2);
    runtime_text(RUNTIME_END, &n);
    assert_int_equal(n, 0);
    runtime_text(RUNTIME_VOCAB, &n);
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_square_root), cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_argmax),      cmocka_unit_test(test_sample),
        cmocka_unit_test(test_seeds),       cmocka_unit_test(test_example_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
