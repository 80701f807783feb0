/* cases.c - the cases every check is made of: sizes, kinds of data, comparisons. */
#include "kern/kcheck.h"

#include <fenv.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"

const size_t kcheck_sizes[] = {1,  2,  3,  5,  7,  8,  15,  16,  17,  31,  32,  33, 47,
                               63, 64, 65, 95, 96, 97, 191, 192, 193, 300, 513, 520};
const size_t kcheck_n_sizes = ARRAY_LEN(kcheck_sizes);

static const char *const data_names[KCHECK_N_DATA] = {"random", "whole", "zero",
                                                      "tiny",   "large", "mixed"};
static const char *const place_names[BUFFERS_N_PLACES] = {"before a guard page",
                                                          "after a guard page", "unaligned"};

void kcheck_case(struct kcheck *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->where, sizeof t->where, format, args);
    va_end(args);
    t->n_cases++;
}

bool kcheck_skips(struct kcheck *t)
{
    return t->brief && rng_below(&t->rng, 8);
}

void kcheck_fail(struct kcheck *t, const char *format, ...)
{
    if (t->failed)
        return;
    t->failed = true;
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(t->failure, sizeof t->failure, "%s: %s", t->where, text);
}

void kcheck_near(struct kcheck *t, const char *what, size_t index, double got, double want,
                 double bound)
{
    double error = fabs(got - want);
    if (!(error <= bound)) {
        kcheck_fail(t, "%s[%zu] is %.9g, expected %.9g within %.3g", what, index, got, want, bound);
        return;
    }
    if (bound > 0)
        t->worst = MAX(t->worst, error / bound);
}

void kcheck_same(struct kcheck *t, const char *what, const void *got, const void *want,
                 size_t bytes)
{
    const unsigned char *g = got;
    const unsigned char *w = want;
    if (bytes == 0 || memcmp(got, want, bytes) == 0)
        return;
    size_t i = 0;
    while (g[i] == w[i])
        i++;
    kcheck_fail(t, "%s differs from byte %zu on (found 0x%02x, expected 0x%02x)", what, i, g[i],
                w[i]);
}

void kcheck_all_nan(struct kcheck *t, const char *what, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            kcheck_fail(t, "%s[%zu] is %.9g, expected NaN", what, i, (double)x[i]);
}

void kcheck_flush(bool flush)
{
    fesetenv(FE_DFL_ENV);
    if (flush)
        cpu_flush_denormals();
}

/* ---- data ------------------------------------------------------------------------------------ */

static double either_sign(struct kcheck *t, double x)
{
    return rng_u64(&t->rng) & 1 ? -x : x;
}

static double datum(struct kcheck *t, double limit)
{
    struct rng *r = &t->rng;
    switch (t->data) {
    case KCHECK_WHOLE:
        return (double)rng_below(r, 17) - 8;
    case KCHECK_ZERO:
        return either_sign(t, 0.0);
    case KCHECK_TINY:
        return either_sign(t, ldexp(1 + rng_unit(r), (int)rng_below(r, 28) - 149));
    case KCHECK_LARGE:
        return either_sign(t, limit * (0.5 + rng_unit(r) / 2));
    case KCHECK_MIXED:
        return either_sign(t, MIN(limit, ldexp(1 + rng_unit(r), (int)rng_below(r, 80) - 40)));
    default:
        return 2 * rng_unit(r) - 1;
    }
}

void kcheck_fill(struct kcheck *t, float *x, size_t n, float limit)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)datum(t, (double)limit);
}

float *kcheck_input(struct kcheck *t, size_t n, float limit)
{
    float *x = buffers_input(n * sizeof *x);
    kcheck_fill(t, x, n, limit);
    return x;
}

float *kcheck_in_out(struct kcheck *t, size_t n, float limit)
{
    float *x = buffers_output(n * sizeof *x);
    kcheck_fill(t, x, n, limit);
    return x;
}

float *kcheck_output(struct kcheck *t, size_t n)
{
    (void)t;
    float *x = buffers_output(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
    return x;
}

float *kcheck_gates(struct kcheck *t, size_t n)
{
    static const float edges[] = {0,     1e-10f, 0.34657f, 1.27846f, 16.7f,  17.4f,  30,
                                  80,    86.99f, 87,       87.01f,   87.29f, 87.31f, 88,
                                  88.5f, 88.6f,  88.71f,   88.8f,    100,    103.9f, 1e4f};
    float *x = kcheck_input(t, n, 20);
    for (size_t i = 0; i < n; i++) {
        if (t->data == KCHECK_RANDOM)
            x[i] = (float)(4 * rng_normal(&t->rng));
        else if (t->data == KCHECK_MIXED)
            x[i] = (float)either_sign(t, (double)edges[rng_below(&t->rng, ARRAY_LEN(edges))]);
    }
    return x;
}

void kcheck_seal(struct kcheck *t)
{
    buffers_seal();
    kcheck_flush(t->flush);
}

const float *kcheck_before(const float *operand)
{
    return buffers_before(operand);
}

void kcheck_untouched(struct kcheck *t)
{
    const char *damage = buffers_damage();
    if (damage)
        kcheck_fail(t, "%s", damage);
}

/* ---- walking --------------------------------------------------------------------------------- */

void kcheck_sweep(struct kcheck *t, size_t least, void (*one)(struct kcheck *t, size_t n))
{
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (int place = 0; place < BUFFERS_N_PLACES; place++)
            for (int data = 0; data < KCHECK_N_DATA; data++)
                for (int flush = 0; flush < 2; flush++) {
                    if (kcheck_sizes[s] < least)
                        continue;
                    t->data = (enum kcheck_data)data;
                    t->flush = flush;
                    buffers_reset((enum buffers_place)place);
                    kcheck_case(t, "n %zu, %s data, operands %s%s", kcheck_sizes[s],
                                data_names[data], place_names[place],
                                flush ? ", denormals flushed" : "");
                    one(t, kcheck_sizes[s]);
                    kcheck_untouched(t);
                    kcheck_flush(false);
                }
}
