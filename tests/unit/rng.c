/* Random numbers: known answers of the published generators, and statistics whose bounds lie at
 * five standard deviations or more, for fixed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"

static void test_xoshiro_known_answers(void **state)
{
    (void)state;
    /* state 1, 2, 3, 4: the first outputs of Blackman and Vigna's reference code */
    static const uint64_t want[] = {
        41943041u,           58720359u, 3588806011781223u, 3591011842654386u, 9228616714210784205u,
        9973669472204895162u};
    struct rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(rng_u64(&r), want[i]);
}

static void test_seeding_known_answers(void **state)
{
    (void)state;
    /* computed by a separate implementation in another language */
    static const struct {
        uint64_t seed, stream, s[4], out[4];
    } cases[] = {
        {0,
         0,
         {0xa706dd2f4d197e6f, 0xb382a305f4414f5e, 0x631a9154fbabf717, 0xa80aba8c86640906},
         {0x84f09bf307c1073a, 0xc82ffb597ceee51b, 0xadf96905c5df4417, 0xe9d9a8489d042c93}},
        {42,
         0,
         {0x4d9b3f1ec9cf6b1b, 0x78c2d7cd08dbb11f, 0x4a4d831399ccfc4e, 0xaaf470fcbc468f50},
         {0x5b5e4a1bffcbb2f3, 0xdad6b47570f6111d, 0xaa41d8357b710b2f, 0xf02f3789cdc59c40}},
        {42,
         1,
         {0x7eb3b394ac9efc29, 0xa992255a56fd15f3, 0xd95f51ac595924f4, 0x4cd3ea088d11373f},
         {0x4d508bae6104bff7, 0x534b2b63a88304f1, 0x3ac1b4daf5b49882, 0x34ba4dc49afa3b91}},
        {UINT64_MAX,
         7,
         {0xa9a96b699dc41760, 0x223530385860a517, 0x0b83ea3c326eb8be, 0xe6ebf4f874293700},
         {0xdab26210ce0c6210, 0x903cc26f31dd62cb, 0x34cef587af7013b5, 0x41de822d2259c0d3}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rng r;
        rng_seed(&r, cases[i].seed, cases[i].stream);
        assert_memory_equal(r.s, cases[i].s, sizeof r.s);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(rng_u64(&r), cases[i].out[k]);
    }
}

static void test_state_is_all_there_is(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5, 6);
    for (int i = 0; i < 7; i++) /* an odd number of normals: no second one may be kept back */
        rng_normal(&r);
    struct rng copy = r;
    for (int i = 0; i < 50; i++) {
        double a = rng_normal(&r);
        double b = rng_normal(&copy);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void test_below_is_unbiased(void **state)
{
    (void)state;
    enum { MOST = 12, DRAWS = 120000 };
    struct rng r;
    rng_seed(&r, 1, 0);
    for (uint64_t n = 1; n <= MOST; n++) {
        long counts[MOST] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint64_t v = rng_below(&r, n);
            assert_true(v < n);
            counts[v]++;
        }
        double want = (double)DRAWS / (double)n;
        double chi2 = 0;
        for (uint64_t k = 0; k < n; k++)
            chi2 += pow((double)counts[k] - want, 2) / want;
        double freedom = (double)n - 1;
        assert_true(chi2 <= freedom + 5 * sqrt(2 * freedom) + 10);
    }
    /* n = 3/4 * 2^64: without rejection the values divisible by 3 would come twice as often as each
     * of the others, 1/2 instead of 1/3 */
    uint64_t n = 3ull << 62;
    long divisible = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t v = rng_below(&r, n);
        assert_true(v < n);
        divisible += v % 3 == 0;
    }
    double share = (double)divisible / DRAWS;
    assert_true(fabs(share - 1.0 / 3) < 5 * sqrt(2.0 / 9 / DRAWS));
}

static void test_unit_is_uniform(void **state)
{
    (void)state;
    enum { N = 400000, BINS = 64 };
    struct rng r;
    rng_seed(&r, 2, 0);
    double sum = 0;
    double square = 0;
    long bins[BINS] = {0};
    for (int i = 0; i < N; i++) {
        double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        bins[(int)(u * BINS)]++;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    double chi2 = 0;
    for (int i = 0; i < BINS; i++)
        chi2 += pow((double)bins[i] - (double)N / BINS, 2) / ((double)N / BINS);
    assert_true(chi2 > 63 - 5 * sqrt(126) && chi2 < 63 + 6 * sqrt(126));
    /* the largest value is below 1 */
    struct rng top = {{UINT64_MAX, 0, 0, 0}};
    for (int i = 0; i < 1000; i++)
        assert_true(rng_unit(&top) < 1);
}

static void test_normal_has_its_moments(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct rng r;
    rng_seed(&r, 3, 0);
    double m[5] = {0};
    long inside[3] = {0};
    double largest = 0;
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r);
        for (int k = 1; k <= 4; k++)
            m[k] += pow(x, k) / N;
        for (int k = 0; k < 3; k++)
            inside[k] += fabs(x) < k + 1;
        largest = MAX(largest, fabs(x));
    }
    /* variances of the sample moments: 1, 2, 15, 96 over N */
    assert_true(fabs(m[1]) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m[2] - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m[3]) < 5 * sqrt(15.0 / N));
    assert_true(fabs(m[4] - 3) < 5 * sqrt(96.0 / N));
    static const double share[3] = {0.682689492137, 0.954499736104, 0.997300203937};
    for (int k = 0; k < 3; k++)
        assert_true(fabs((double)inside[k] / N - share[k]) <
                    5 * sqrt(share[k] * (1 - share[k]) / N));
    assert_true(largest > 4.2 && largest < 6.5);
}

static void test_streams_are_unrelated(void **state)
{
    (void)state;
    enum { N = 200000 };
    static const struct {
        uint64_t seed[2], stream[2];
    } pairs[] = {{{1, 1}, {0, 1}}, {{1, 2}, {0, 0}}, {{1, 2}, {1, 0}}, {{0, 0}, {0, 1u << 31}}};
    for (size_t p = 0; p < ARRAY_LEN(pairs); p++) {
        struct rng a;
        struct rng b;
        rng_seed(&a, pairs[p].seed[0], pairs[p].stream[0]);
        rng_seed(&b, pairs[p].seed[1], pairs[p].stream[1]);
        double product = 0;
        long bits = 0;
        for (int i = 0; i < N; i++) {
            uint64_t x = rng_u64(&a);
            uint64_t y = rng_u64(&b);
            assert_true(x != y);
            bits += __builtin_popcountll(x ^ y);
            product += ((double)(x >> 11) * 0x1p-53 - 0.5) * ((double)(y >> 11) * 0x1p-53 - 0.5);
        }
        assert_true(fabs((double)bits / N - 32) < 5 * sqrt(16.0 / N));
        assert_true(fabs(product / N) < 5 * (1.0 / 12) / sqrt(N));
    }
}

static void test_shuffle_is_a_permutation(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct rng r;
    rng_seed(&r, 4, 0);
    uint32_t items[N];
    for (size_t n = 0; n <= N; n = n * 2 + 1) {
        bool seen[N] = {false};
        for (uint32_t i = 0; i < n; i++)
            items[i] = i;
        rng_shuffle(&r, items, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(items[i] < n);
            assert_false(seen[items[i]]);
            seen[items[i]] = true;
        }
    }
    /* each of the 24 orders of four equally often */
    long counts[256] = {0};
    enum { ROUNDS = 240000 };
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t four[4] = {0, 1, 2, 3};
        rng_shuffle(&r, four, 4);
        counts[four[0] << 6 | four[1] << 4 | four[2] << 2 | four[3]]++;
    }
    double chi2 = 0;
    int orders = 0;
    for (int i = 0; i < 256; i++) {
        orders += counts[i] > 0;
        if (counts[i] > 0)
            chi2 += pow((double)counts[i] - ROUNDS / 24.0, 2) / (ROUNDS / 24.0);
    }
    assert_int_equal(orders, 24);
    assert_true(chi2 < 23 + 6 * sqrt(46));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xoshiro_known_answers),
        cmocka_unit_test(test_seeding_known_answers),
        cmocka_unit_test(test_state_is_all_there_is),
        cmocka_unit_test(test_below_is_unbiased),
        cmocka_unit_test(test_unit_is_uniform),
        cmocka_unit_test(test_normal_has_its_moments),
        cmocka_unit_test(test_streams_are_unrelated),
        cmocka_unit_test(test_shuffle_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
