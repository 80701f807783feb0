/* check_logits.c - what a sampler asks of the logits: exponents and their sum, the largest, the k
 * largest. The first two bit by bit beside the written order, the largest beside a plain search;
 * of the k largest, what every set of them must have, and that it is not far too large; and
 * all that reach a bound. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

enum { N = 10000, MOST = 65536, LANES = 16, N_ROUNDS = 60 };

enum kind {
    NORMAL, /* as logits are */
    ASCENDING,
    DESCENDING,
    TIES, /* few different values */
    EQUAL,
    EXTREMES, /* infinities, the largest numbers, zeros of both signs, denormals */
    HOLES,    /* NaN at some places */
    BOTTOM,   /* all but a few are -infinity */
    BROKEN,   /* all but a few are NaN */
    N_KINDS
};

static void fill(struct kcheck *t, enum kind kind, float *x, size_t n)
{
    static const float extremes[] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0,
                                     -0.0f,    1e-41f,    -1e-41f, 1,        -1};
    float equal = (float)rng_normal(&t->rng);
    for (size_t i = 0; i < n; i++) {
        float normal = (float)(3 * rng_normal(&t->rng));
        bool rare = rng_below(&t->rng, n) < 3;
        x[i] = kind == ASCENDING    ? (float)i - 100
               : kind == DESCENDING ? 100 - (float)i
               : kind == TIES       ? (float)rng_below(&t->rng, 9) - 4
               : kind == EQUAL      ? equal
               : kind == EXTREMES   ? extremes[rng_below(&t->rng, ARRAY_LEN(extremes))]
               : kind == HOLES      ? (rng_below(&t->rng, 3) ? normal : NAN)
               : kind == BOTTOM     ? (rare ? normal : -INFINITY)
               : kind == BROKEN     ? (rare ? normal : NAN)
                                    : normal;
    }
}

/* Runs `one` for every kind of data at awkward sizes, at a vocabulary's, and at the most. */
static void each_kind(struct kcheck *t, void (*one)(struct kcheck *t, const float *x, size_t n))
{
    static const size_t large[] = {1000, N - 3, N, 16384 + 81, MOST - 1, MOST};
    for (size_t s = 0; s < kcheck_n_sizes + ARRAY_LEN(large); s++)
        for (int place = 0; place < BUFFERS_N_PLACES; place++)
            for (int kind = 0; kind < N_KINDS; kind++) {
                size_t n = s < kcheck_n_sizes ? kcheck_sizes[s] : large[s - kcheck_n_sizes];
                t->flush = rng_below(&t->rng, 2);
                buffers_reset((enum buffers_place)place);
                kcheck_case(t, "n %zu, data of kind %d, place %d%s", n, kind, place,
                            t->flush ? ", denormals flushed" : "");
                float *x = buffers_input(n * sizeof *x);
                fill(t, (enum kind)kind, x, n);
                one(t, x, n);
                kcheck_untouched(t);
                kcheck_flush(false);
            }
}

/* ---- exponents ------------------------------------------------------------------------------- */

static void same_exp(struct kcheck *t, const float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n && !t->failed; i++) {
        float want = fmath_expf(x[i]);
        if (isnan(want) ? !isnan(y[i]) : memcmp(&y[i], &want, sizeof want) != 0)
            kcheck_fail(t, "e^%.9g is %.9g, expected %.9g", (double)x[i], (double)y[i],
                        (double)want);
    }
}

static void exp_one(struct kcheck *t, size_t n)
{
    const float *x = kcheck_gates(t, n);
    float *y = kcheck_output(t, n);
    float *z = kcheck_in_out(t, n, 90);
    kcheck_seal(t);
    t->kern->exact.exp(x, n, y);
    same_exp(t, x, y, n);
    t->kern->exact.exp(z, n, z);
    same_exp(t, kcheck_before(z), z, n);
}

/* Numbers whose bits are random: every exponent, NaN and infinity too; then neighbours of the
 * bounds of the range. */
static void exp_of_bits(struct kcheck *t)
{
    static const float edges[] = {-87.3f, 88.7f, -88, 88, 0, 0.34657359f};
    for (size_t round = 0; round < N_ROUNDS; round++) {
        buffers_reset((enum buffers_place)(round % BUFFERS_N_PLACES));
        kcheck_case(t, "numbers of random bits, round %zu", round);
        t->flush = round & 1;
        float *x = buffers_input(N * sizeof *x);
        for (size_t i = 0; i < N; i++) {
            uint32_t bits = (uint32_t)rng_u64(&t->rng);
            if (i % 2) {
                memcpy(&bits, &edges[i / 2 % ARRAY_LEN(edges)], sizeof bits);
                bits += (uint32_t)rng_below(&t->rng, 64) - 32;
            }
            memcpy(&x[i], &bits, sizeof bits);
        }
        float *y = kcheck_output(t, N);
        kcheck_seal(t);
        t->kern->exact.exp(x, N, y);
        same_exp(t, x, y, N);
        kcheck_untouched(t);
        kcheck_flush(false);
    }
}

void kcheck_exp(struct kcheck *t)
{
    kcheck_sweep(t, 1, exp_one);
    exp_of_bits(t);
}

static void logsumexp_one(struct kcheck *t, const float *x, size_t n)
{
    float lane[LANES] = {0};
    float most = -INFINITY;
    kcheck_seal(t);
    float got = t->kern->exact.logsumexp(x, n);
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += fmath_expf(x[i] - most);
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    float want = most + (float)fmath_log((double)lane[0]);
    if (isnan(want))
        kcheck_all_nan(t, "lse", &got, 1);
    else
        kcheck_same(t, "lse", &got, &want, sizeof want);
}

/* One number that is none, or infinite, among others, at any place. */
static void logsumexp_broken(struct kcheck *t)
{
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (size_t at = 0; at < kcheck_sizes[s]; at += 1 + at / 4) {
            size_t n = kcheck_sizes[s];
            kcheck_case(t, "n %zu, NaN or infinity at %zu", n, at);
            buffers_reset(BUFFERS_BEFORE_GUARD);
            float *x = buffers_input(n * sizeof *x);
            fill(t, NORMAL, x, n);
            for (int kind = 0; kind < 2; kind++) {
                x[at] = kind ? NAN : INFINITY;
                float got = t->kern->exact.logsumexp(x, n);
                kcheck_all_nan(t, "lse", &got, 1);
            }
        }
}

void kcheck_exact_logsumexp(struct kcheck *t)
{
    each_kind(t, logsumexp_one);
    logsumexp_broken(t);
}

/* ---- the largest ----------------------------------------------------------------------------- */

static bool above(float a, float b)
{
    return a > b || (isnan(b) && !isnan(a));
}

static void argmax_one(struct kcheck *t, const float *x, size_t n)
{
    size_t want = 0;
    kcheck_seal(t);
    size_t got = t->kern->exact.argmax(x, n);
    for (size_t i = 1; i < n; i++)
        if (above(x[i], x[want]))
            want = i;
    if (got != want)
        kcheck_fail(t, "the largest is %zu, expected %zu", got, want);
}

/* The only largest, or the first of two, at any place. */
static void argmax_anywhere(struct kcheck *t)
{
    for (size_t round = 0; round < 20 * N_ROUNDS; round++) {
        size_t n = 1 + rng_below(&t->rng, 700);
        size_t at = rng_below(&t->rng, n);
        size_t other = at + rng_below(&t->rng, n - at);
        kcheck_case(t, "n %zu, the largest at %zu and %zu", n, at, other);
        buffers_reset((enum buffers_place)(round % BUFFERS_N_PLACES));
        float *x = buffers_input(n * sizeof *x);
        fill(t, NORMAL, x, n);
        x[at] = x[other] = 1e3f;
        size_t got = t->kern->exact.argmax(x, n);
        if (got != at)
            kcheck_fail(t, "the largest is %zu", got);
    }
}

void kcheck_argmax(struct kcheck *t)
{
    each_kind(t, argmax_one);
    argmax_anywhere(t);
}

/* Ascending, k or more, and all that are not below the least of them. */
static void check_set(struct kcheck *t, const float *x, size_t n, size_t k, const uint16_t *ids,
                      size_t count)
{
    if (count < k || count > n) {
        kcheck_fail(t, "k %zu: %zu were found", k, count);
        return;
    }
    float least = INFINITY;
    for (size_t j = 0; j < count; j++) {
        if (ids[j] >= n || (j > 0 && ids[j] <= ids[j - 1])) {
            kcheck_fail(t, "k %zu: ids[%zu] is %d, not above the one before or below n", k, j,
                        ids[j]);
            return;
        }
        least = above(least, x[ids[j]]) ? x[ids[j]] : least;
    }
    for (size_t i = 0, j = 0; i < n; i++)
        if (j < count && ids[j] == i)
            j++;
        else if (!above(least, x[i]))
            kcheck_fail(t, "k %zu: %zu is missing", k, i);
}

static void largest_one(struct kcheck *t, const float *x, size_t n)
{
    const size_t ks[] = {1, 2, 50, 64, n / 16, n / 3, n - 1, n, 1 + rng_below(&t->rng, n)};
    uint16_t *ids = buffers_output(n * sizeof *ids);
    for (size_t i = 0; i < ARRAY_LEN(ks); i++) {
        size_t k = ks[i];
        if (k < 1 || k > n)
            continue;
        memset(ids, 0xff, n * sizeof *ids);
        kcheck_seal(t);
        size_t count = t->kern->exact.largest(x, n, k, ids);
        check_set(t, x, n, k, ids, count);
        kcheck_flush(false);
    }
}

/* Of a vocabulary's logits no level returns many more than were asked for. */
static void largest_is_not_all(struct kcheck *t)
{
    for (size_t round = 0; round < N_ROUNDS; round++) {
        size_t k = 1 + rng_below(&t->rng, 64);
        size_t n = N - rng_below(&t->rng, 64);
        kcheck_case(t, "n %zu, random, k %zu", n, k);
        buffers_reset(BUFFERS_UNALIGNED);
        float *x = buffers_input(n * sizeof *x);
        uint16_t *ids = buffers_output(n * sizeof *ids);
        fill(t, NORMAL, x, n);
        kcheck_seal(t);
        size_t count = t->kern->exact.largest(x, n, k, ids);
        check_set(t, x, n, k, ids, count);
        if (count > 3 * k + 32)
            kcheck_fail(t, "%zu were found", count);
        kcheck_untouched(t);
    }
}

void kcheck_largest(struct kcheck *t)
{
    each_kind(t, largest_one);
    largest_is_not_all(t);
}

/* ---- those that may reach a bound ------------------------------------------------------------ */

static void reaching_one(struct kcheck *t, const float *x, size_t n)
{
    const float *s = kcheck_input(t, n, 1);
    const float *slack = kcheck_input(t, n, 1);
    const float bounds[] = {x[rng_below(&t->rng, n)], 0, INFINITY, -INFINITY};
    float a = (float)rng_unit(&t->rng);
    float b = rng_below(&t->rng, 2) ? 0 : (float)rng_unit(&t->rng);
    uint16_t *ids = buffers_output(n * sizeof *ids);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        size_t want = 0;
        kcheck_seal(t);
        size_t count = t->kern->exact.reaching(x, n, a, s, b, slack, bounds[i], ids);
        for (size_t j = 0; j < n; j++) {
            float product = a * s[j];
            float other = b * slack[j];
            float sum = product + other;
            if (!(x[j] + sum >= bounds[i]))
                continue;
            if (want >= count || ids[want] != j) {
                kcheck_fail(t, "%zu is missing for the bound %g", j, (double)bounds[i]);
                return;
            }
            want++;
        }
        if (count != want)
            kcheck_fail(t, "%zu were found, expected %zu", count, want);
        kcheck_flush(false);
    }
}

void kcheck_reaching(struct kcheck *t)
{
    each_kind(t, reaching_one);
}
