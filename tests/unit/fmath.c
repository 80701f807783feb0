/* Transcendental functions: against libm in long double, within the bounds fmath.h promises, over
 * ranges walked by a fixed grid and random mantissas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/fmath.h"
#include "base/rng.h"

enum { DRAWS = 200000 };

/* Error of got in units of the last place of the true value. */
static double ulps(double got, long double want)
{
    int exponent;
    frexp((double)want, &exponent);
    double unit = ldexp(1, MAX(exponent - DBL_MANT_DIG, -1074));
    return (double)(fabsl(got - want) / unit);
}

static double worst_log(struct rng *r, double low, double high)
{
    double worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = low + (high - low) * rng_unit(r);
        if (x > 0)
            worst = fmax(worst, ulps(fmath_log(x), logl(x)));
    }
    return worst;
}

static void test_log_is_accurate(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1, 0);
    double worst = worst_log(&r, 0.5, 2);
    worst = fmax(worst, worst_log(&r, 1 - 1e-3, 1 + 1e-3));
    worst = fmax(worst, worst_log(&r, 1 - 1e-9, 1 + 1e-9));
    worst = fmax(worst, worst_log(&r, 0, 1));
    worst = fmax(worst, worst_log(&r, 0, 1e6));
    worst = fmax(worst, worst_log(&r, 0, 1e-310)); /* subnormal */
    for (int k = -1074; k <= 1023; k++)
        for (double m = 1; m < 2; m += 0.0625) {
            double x = ldexp(m, k);
            worst = fmax(worst, ulps(fmath_log(x), logl(x)));
        }
    print_message("log: worst %.3f ulp\n", worst);
    assert_true(worst < 2);
    assert_true(fmath_log(1) == 0);
    assert_true(fabs(fmath_log(DBL_MAX) - 709.782712893384) < 1e-12);
    assert_true(isinf(fmath_log(INFINITY)));
    assert_true(isnan(fmath_log(NAN)) && isnan(fmath_log(-NAN)));
}

static void test_log_of_subnormals_when_flushed(void **state)
{
    (void)state;
    volatile double tiny = 0x1.8p-1070;
    double want = fmath_log(tiny);
    cpu_flush_denormals();
    double got = fmath_log(tiny);
    assert_true(got == want);
}

static void test_exp_is_accurate(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 2, 0);
    static const double ranges[][2] = {
        {-1, 1}, {-1e-6, 1e-6}, {-40, 40}, {-708, 709.78}, {-745, -708}};
    double worst = 0;
    for (size_t k = 0; k < ARRAY_LEN(ranges); k++)
        for (int i = 0; i < DRAWS; i++) {
            double x = ranges[k][0] + (ranges[k][1] - ranges[k][0]) * rng_unit(&r);
            worst = fmax(worst, ulps(fmath_exp(x), expl(x)));
        }
    print_message("exp: worst %.3f ulp\n", worst);
    assert_true(worst < 2);
    assert_true(fmath_exp(0) == 1);
    assert_true(fmath_exp(-746) == 0);
    assert_true(fmath_exp(-INFINITY) == 0);
    assert_true(isinf(fmath_exp(709.8)));
    assert_true(isinf(fmath_exp(INFINITY)));
    assert_true(isfinite(fmath_exp(709.78)));
    assert_true(isnan(fmath_exp(NAN)));
}

static void test_cospi_is_accurate(void **state)
{
    (void)state;
    const long double pi = 3.14159265358979323846264338327950288L;
    struct rng r;
    rng_seed(&r, 3, 0);
    double worst = 0;
    for (int i = 0; i <= 2 * DRAWS; i++) {
        double x = i <= DRAWS ? (double)i / DRAWS : rng_unit(&r);
        long double want = sinl(pi * (0.5L - x));
        worst = fmax(worst, (double)fabsl(fmath_cospi(x) - want));
    }
    print_message("cospi: worst error %.3g\n", worst);
    assert_true(worst < 1e-15);
    assert_true(fmath_cospi(0.5) == 0);
    assert_true(fabs(fmath_cospi(0) - 1) < 1e-15);
    assert_true(fabs(fmath_cospi(1) + 1) < 1e-15);
}

static void test_powi_multiplies(void **state)
{
    (void)state;
    assert_true(fmath_powi(0.9, 0) == 1);
    assert_true(fmath_powi(0, 0) == 1);
    assert_true(fmath_powi(3, 30) == 205891132094649.0);
    for (uint64_t n = 1; n < 100000; n = n * 3 + 1) {
        long double want = powl(0.95L, (long double)n);
        assert_true(fabsl(fmath_powi((double)0.95L, n) - want) <=
                    2e-15L * (long double)n * want + 1e-300L);
    }
    assert_true(fmath_powi(0.95, UINT64_MAX) == 0);
    assert_true(fmath_powi(1, UINT64_MAX) == 1);
    assert_true(isinf(fmath_powi(10, 400)));
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void test_expf_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    float worst_at = 0;
    float before = -1;
    /* floats from -87 up through 0 to 88, all exponents, every 1,009th mantissa */
    for (int sign = 1; sign >= 0; sign--)
        for (uint32_t bits = 0; bits < 0x42b00000u; bits += 1009) {
            float x = sign ? -float_of(bits) : float_of(bits);
            if (x < -87)
                continue;
            double want = exp((double)x);
            double error = fabs((double)fmath_expf(x) - want) / want;
            if (error > worst) {
                worst = error;
                worst_at = x;
            }
        }
    print_message("expf: worst relative error %.3g at %.9g\n", worst, (double)worst_at);
    assert_true(worst < 2e-7);
    for (float x = -87.3f; x < 88.7f; x += 0.01f) { /* grows, and is never 0 or infinite inside */
        float y = fmath_expf(x);
        assert_true(y > before && y > 0 && isfinite(y));
        before = y;
    }
    assert_true(fmath_expf(0) == 1);
    assert_true(fmath_expf(-87.4f) == 0);
    assert_true(fmath_expf(-INFINITY) == 0);
    assert_true(isinf(fmath_expf(88.8f)));
    assert_true(isinf(fmath_expf(INFINITY)));
    assert_true(isfinite(fmath_expf(88.7f)));
    assert_true(isnan(fmath_expf(NAN)));
}

/* Bits that every machine must give: a change here changes checkpoints made from a seed. */
static void test_bits_are_fixed(void **state)
{
    (void)state;
    uint64_t sum = 0;
    struct rng r;
    rng_seed(&r, 11, 0);
    for (int i = 0; i < 20000; i++) {
        double x = rng_unit(&r);
        double values[4] = {fmath_log(x + 1e-9), fmath_exp(20 * x - 10), fmath_cospi(x),
                            (double)fmath_expf((float)(20 * x - 10))};
        for (int k = 0; k < 4; k++) {
            uint64_t bits;
            memcpy(&bits, &values[k], sizeof bits);
            sum = (sum ^ bits) * 0x9e3779b97f4a7c15u;
        }
    }
    assert_int_equal(sum, 0x8a667e4361019d80u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_accurate),
        cmocka_unit_test(test_exp_is_accurate),
        cmocka_unit_test(test_cospi_is_accurate),
        cmocka_unit_test(test_powi_multiplies),
        cmocka_unit_test(test_expf_is_accurate),
        cmocka_unit_test(test_bits_are_fixed),
        cmocka_unit_test(test_log_of_subnormals_when_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
