/* Half precision: every half, and rounding to the nearest, ties to even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/number.h"

/* By the definition: sign, 5 bits of exponent, 10 of fraction. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double fraction = h & 1023;
    double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -x : x;
}

static void test_every_half(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float x = number_f16_value((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00) {
            assert_false(number_f16_is_finite((uint16_t)h));
            assert_int_equal(isnan(x) != 0, (h & 0x3ff) != 0);
            if (isinf(x))
                assert_int_equal(number_f16(x), h);
            else
                assert_false(number_f16_is_finite(number_f16(x)));
            continue;
        }
        assert_true(number_f16_is_finite((uint16_t)h));
        assert_true((double)x == half_value((uint16_t)h));
        assert_int_equal(signbit(x) != 0, h >> 15);
        assert_int_equal(number_f16(x), h);
    }
}

/* Between each half and the next: the middle goes to the even one, its neighbours to theirs. */
static void test_rounding(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7bff; h++) {
        float low = number_f16_value((uint16_t)h);
        float high = number_f16_value((uint16_t)(h + 1));
        float middle = (float)(((double)low + (double)high) / 2);
        assert_int_equal(number_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(number_f16(nextafterf(middle, 0)), h);
        assert_int_equal(number_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(number_f16(-nextafterf(middle, 0)), h | 0x8000);
    }
    assert_int_equal(number_f16(65519.0f), 0x7bff);
    assert_int_equal(number_f16(65520.0f), 0x7c00);
    assert_int_equal(number_f16(3e38f), 0x7c00);
    assert_int_equal(number_f16(-3e38f), 0xfc00);
    assert_int_equal(number_f16(1e-30f), 0);
    assert_int_equal(number_f16(-0.0f), 0x8000);
}

/* Ties to even, the largest exactly 127, also where the scale is a denormal much too small. */
static void test_q8(void **state)
{
    (void)state;
    const float x[] = {127, -127, 0.5f, 1.5f, -2.5f, 0.49f};
    const signed char want[] = {127, -127, 0, 2, -2, 0};
    const float tiny[] = {0x1.7cp-142f, -0x1.7cp-142f, 0}; /* 190 * 2^-149: the scale is 2^-149 */
    signed char q[ARRAY_LEN(x)];
    assert_true(number_q8(x, ARRAY_LEN(x), q) == 1);
    assert_memory_equal(q, want, sizeof want);
    assert_true(number_q8(tiny, ARRAY_LEN(tiny), q) == 0x1p-149f);
    assert_int_equal(q[0], 127);
    assert_int_equal(q[1], -127);
    assert_true(number_q8(tiny + 2, 1, q) == 0);
    assert_int_equal(q[0], 0);
}

static void test_all_finite(void **state)
{
    (void)state;
    uint16_t h[37];
    for (size_t i = 0; i < ARRAY_LEN(h); i++)
        h[i] = i % 2 ? 0x7bff : 0xfbff; /* the largest */
    assert_true(number_f16_all_finite(h, ARRAY_LEN(h)));
    assert_true(number_f16_all_finite(h, 0));
    static const uint16_t not_finite[] = {0x7c00, 0xfc00, 0x7c01, 0xffff};
    for (size_t i = 0; i < ARRAY_LEN(h); i++) {
        uint16_t kept = h[i];
        h[i] = not_finite[i % ARRAY_LEN(not_finite)];
        assert_false(number_f16_all_finite(h, ARRAY_LEN(h)));
        h[i] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_q8),
        cmocka_unit_test(test_all_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
