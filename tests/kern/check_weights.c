/* check_weights.c - softmax, sums, quantisation, and plain additions. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

static const double TINIEST = (double)FLT_MIN;

/* ---- softmax --------------------------------------------------------------------------------- */

enum { N_SHAPES = 8, LONG_ROW = 10000, MAX_ROWS = 7 };

/* Rows that a softmax may stumble over. Differences reach beyond the range of e^x. */
static void logits(struct kcheck *t, float *x, size_t n, int shape)
{
    static const float steps[] = {0, 30, 80, 86.9f, 87, 87.1f, 87.4f, 100, 1000};
    static const float spread[N_SHAPES] = {3, 0, 0, 0, 0, 30, 0, 1e-3f};
    for (size_t i = 0; i < n; i++)
        x[i] = spread[shape] * (float)rng_normal(&t->rng);
    size_t one = rng_below(&t->rng, n);
    switch (shape) {
    case 1: /* all equal, large */
        for (size_t i = 0; i < n; i++)
            x[i] = 1234.5f;
        break;
    case 2: /* one huge logit */
        x[one] = 1e4f;
        break;
    case 3: /* one far below, all negative */
        for (size_t i = 0; i < n; i++)
            x[i] = -5;
        x[one] = -1e4f;
        break;
    case 4: /* zeros */
        break;
    case 6: /* steps around the end of e^x */
        for (size_t i = 0; i < n; i++)
            x[i] = 50 - steps[rng_below(&t->rng, ARRAY_LEN(steps))];
        break;
    default:
        break;
    }
}

struct softmax {
    double max;
    double sum;   /* of e^(x - max) */
    double error; /* relative, of a sum of floats: roundings of x - max, of e^x, of the additions */
};

static struct softmax softmax_of(const float *x, size_t n)
{
    struct softmax s = {.max = (double)x[0]};
    for (size_t i = 1; i < n; i++)
        s.max = MAX(s.max, (double)x[i]);
    double spread = 0;
    for (size_t i = 0; i < n; i++) {
        double below = s.max - (double)x[i];
        s.sum += exp(-below);
        spread += below * exp(-below);
    }
    s.error = EXP_ERROR + ROUNDING * ((double)n + spread / s.sum) + (double)n * 2 * TINIEST;
    return s;
}

static void logsumexp_one(struct kcheck *t, size_t n, int shape)
{
    float *x = kcheck_input(t, n, 1);
    logits(t, x, n, shape);
    kcheck_seal(t);
    double got = (double)t->kern->logsumexp(x, n);
    struct softmax s = softmax_of(x, n);
    kcheck_near(t, "logsumexp", 0, got, s.max + log(s.sum),
                s.error + ROUNDING * 2 * (fabs(s.max) + log(s.sum)));
}

static float bf16_half(uint32_t cell, bool second)
{
    uint32_t bits = second ? cell & 0xffff0000 : cell << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* In bf16: each power rounded, the same in both forms, zeros beyond odd ends. */
static void softmax_cells(struct kcheck *t, size_t rows, size_t n, const double *powers,
                          const uint32_t *by_rows, const uint32_t *by_columns)
{
    size_t width = DIV_UP(n, 2);
    for (size_t r = 0; r < ALIGN_UP(rows, 2); r++)
        for (size_t i = 0; i < ALIGN_UP(n, 2); i++) {
            bool inside = r < rows && i < n;
            double want = inside ? powers[r * n + i] : 0;
            double bound = inside ? want * 0x1p-8 * 1.01 + 2 * TINIEST : 0;
            if (r < rows)
                kcheck_near(t, "by rows", r * n + i,
                            (double)bf16_half(by_rows[r * width + i / 2], i % 2), want, bound);
            if (i < n)
                kcheck_near(t, "by columns", r * n + i,
                            (double)bf16_half(by_columns[r / 2 * n + i], r % 2), want, bound);
            if (inside && bf16_half(by_rows[r * width + i / 2], i % 2) !=
                              bf16_half(by_columns[r / 2 * n + i], r % 2))
                kcheck_fail(t, "power %zu of row %zu differs between the two forms", i, r);
        }
}

static uint32_t *output_cells(struct kcheck *t, size_t n)
{
    return t->kern->unit == 2 ? (uint32_t *)(void *)kcheck_output(t, n) : NULL;
}

struct powers {
    float *x;
    size_t stride;
    size_t rows;
    size_t n;
    float level[MAX_ROWS];
    float *sum;
    uint32_t *by_rows;
    uint32_t *by_columns;
};

/* Rows apart from each other, with levels at the largest or somewhat below. */
static struct powers powers_input(struct kcheck *t, size_t n, int shape)
{
    static const float below[] = {0, 0, 20, 50};
    struct powers p = {.n = n, .stride = n + 3};
    p.rows = n == LONG_ROW ? 3 : 1 + rng_below(&t->rng, MAX_ROWS);
    p.x = kcheck_in_out(t, (p.rows - 1) * p.stride + n, 1);
    p.sum = kcheck_output(t, p.rows);
    p.by_rows = output_cells(t, p.rows * DIV_UP(n, 2));
    p.by_columns = output_cells(t, DIV_UP(p.rows, 2) * n);
    for (size_t r = 0; r < p.rows; r++) {
        p.sum[r] = 0;
        logits(t, p.x + r * p.stride, n, shape);
        p.level[r] = (float)softmax_of(p.x + r * p.stride, n).max -
                     below[rng_below(&t->rng, ARRAY_LEN(below))];
    }
    return p;
}

static void powers_row(struct kcheck *t, const struct powers *p, size_t r, double *want)
{
    const float *before = kcheck_before(p->x) + r * p->stride;
    double sum = 0;
    double spread = 0;
    for (size_t i = 0; i < p->n; i++) {
        double above = (double)before[i] - (double)p->level[r];
        want[i] = exp(above);
        sum += want[i];
        spread += fabs(above) * want[i];
        if (!p->by_rows)
            kcheck_near(t, "power", r * p->n + i, (double)p->x[r * p->stride + i], want[i],
                        want[i] * (EXP_ERROR + ROUNDING * (fabs(above) + 1)) + 2 * TINIEST);
    }
    kcheck_near(t, "sum", r, (double)p->sum[r], sum,
                sum * (EXP_ERROR + ROUNDING * ((double)p->n + spread / sum)) +
                    (double)p->n * 2 * TINIEST);
    for (size_t i = p->n; i < p->stride && r + 1 < p->rows; i++)
        if (memcmp(&p->x[r * p->stride + i], &before[i], sizeof *before) != 0)
            kcheck_fail(t, "number %zu after row %zu was written", i - p->n, r);
}

/* Rows two at a time and columns cut: the same sums. */
static void powers_cut(struct kcheck *t, const struct powers *p, float *x)
{
    size_t cut = KERN_SUM_COLUMNS * (1 + rng_below(&t->rng, DIV_UP(p->n, KERN_SUM_COLUMNS)));
    for (size_t r = 0; r < p->rows; r += 2) {
        size_t rows = MIN((size_t)2, p->rows - r);
        float sum[2] = {0, 0};
        for (size_t i = 0; i < p->n; i += cut) {
            uint32_t *cells = p->by_rows ? p->by_rows + r * DIV_UP(p->n, 2) : NULL;
            t->kern->powers(x + r * p->stride + i, p->stride, rows, MIN(cut, p->n - i),
                            p->level + r, sum, cells,
                            p->by_columns ? p->by_columns + r / 2 * p->n + i : NULL, p->n);
        }
        if (memcmp(sum, p->sum + r, rows * sizeof *sum) != 0)
            kcheck_fail(t, "sums of rows from %zu on differ when columns are cut at %zu", r, cut);
    }
}

static void powers_one(struct kcheck *t, size_t n, int shape)
{
    static double powers[MAX_ROWS * LONG_ROW];
    struct powers p = powers_input(t, n, shape);
    float *again = kcheck_in_out(t, (p.rows - 1) * p.stride + n, 1);
    memcpy(again, p.x, ((p.rows - 1) * p.stride + n) * sizeof *again);
    kcheck_seal(t);
    t->kern->powers(p.x, p.stride, p.rows, n, p.level, p.sum, p.by_rows, p.by_columns, n);
    for (size_t r = 0; r < p.rows; r++)
        powers_row(t, &p, r, powers + r * n);
    if (p.by_rows)
        softmax_cells(t, p.rows, n, powers, p.by_rows, p.by_columns);
    powers_cut(t, &p, again);
}

static void maximum_one(struct kcheck *t, size_t n, int shape)
{
    float *x = kcheck_input(t, n, 1);
    logits(t, x, n, shape);
    kcheck_seal(t);
    kcheck_near(t, "maximum", 0, (double)t->kern->maximum(x, n), softmax_of(x, n).max, 0);
}

static void each_softmax(struct kcheck *t, void (*one)(struct kcheck *t, size_t n, int shape))
{
    t->data = KCHECK_RANDOM;
    for (size_t s = 0; s <= kcheck_n_sizes; s++)
        for (int shape = 0; shape < N_SHAPES; shape++)
            for (int place = 0; place < BUFFERS_N_PLACES; place++) {
                size_t n = s < kcheck_n_sizes ? kcheck_sizes[s] : LONG_ROW;
                t->flush = rng_below(&t->rng, 2);
                kcheck_case(t, "n %zu, kind of row %d, place %d%s", n, shape, place,
                            t->flush ? ", denormals flushed" : "");
                buffers_reset((enum buffers_place)place);
                one(t, n, shape);
                kcheck_untouched(t);
                kcheck_flush(false);
            }
}

/* Where a logit is not a number, or infinite after an overflow: in every place of every size. */
static void each_spoilt(struct kcheck *t,
                        void (*one)(struct kcheck *t, size_t n, size_t at, float bad))
{
    t->data = KCHECK_RANDOM;
    t->flush = false;
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (size_t at = 0; at < kcheck_sizes[s]; at += 1 + at / 8)
            for (int infinite = 0; infinite < 2; infinite++) {
                kcheck_case(t, "n %zu, %s at %zu", kcheck_sizes[s], infinite ? "infinity" : "NaN",
                            at);
                buffers_reset(BUFFERS_UNALIGNED);
                one(t, kcheck_sizes[s], at, infinite ? INFINITY : NAN);
            }
}

static void logsumexp_spoilt(struct kcheck *t, size_t n, size_t at, float bad)
{
    float *x = kcheck_input(t, n, 1);
    x[at] = bad;
    float got = t->kern->logsumexp(x, n);
    if (isfinite(got))
        kcheck_fail(t, "returned %.9g, expected NaN", (double)got);
}

/* The row's sum shows it, and so does the loss that is made of it; its neighbours are as they were.
 * A number far above the level shows, too. */
static void powers_spoilt(struct kcheck *t, size_t n, size_t at, float bad)
{
    enum { ROWS = 3 };
    static const float zero[ROWS];
    size_t row = rng_below(&t->rng, ROWS);
    float *x = kcheck_in_out(t, ROWS * n, 1);
    float *sum = kcheck_output(t, ROWS);
    uint32_t *by_rows = output_cells(t, ROWS * DIV_UP(n, 2));
    uint32_t *by_columns = output_cells(t, DIV_UP(ROWS, 2) * n);
    bool number = rng_below(&t->rng, 2);
    for (size_t i = 0; i < ROWS * n; i++)
        x[i] = 0;
    memset(sum, 0, ROWS * sizeof *sum);
    x[row * n + at] = number ? 60 + 1000 * (float)rng_below(&t->rng, 2) : bad;
    t->kern->powers(x, n, ROWS, n, zero, sum, by_rows, by_columns, n);
    for (size_t r = 0; r < ROWS; r++)
        if ((sum[r] <= KERN_SUM_LIMIT) == (r == row))
            kcheck_fail(t, "sum[%zu] is %.9g, the bad row is %zu", r, (double)sum[r], row);
    if (!number && isnan(bad) && !isnan(sum[row]))
        kcheck_fail(t, "the sum is %.9g, expected NaN", (double)sum[row]);
}

void kcheck_logsumexp(struct kcheck *t)
{
    each_softmax(t, logsumexp_one);
    each_spoilt(t, logsumexp_spoilt);
}

void kcheck_maximum(struct kcheck *t)
{
    each_softmax(t, maximum_one);
}

void kcheck_powers(struct kcheck *t)
{
    each_softmax(t, powers_one);
    each_spoilt(t, powers_spoilt);
}

/* ---- attention weights ----------------------------------------------------------------------- */

/* Errors of the weights are those of a softmax, whose arguments have a rounding more, of scale * s.
 */
static void attend_compare(struct kcheck *t, const float *s, const float *d, float scale, size_t n,
                           const float *got_w, const float *got_d)
{
    static float x[LONG_ROW];
    double mean = 0, mean_error = 0;
    for (size_t i = 0; i < n; i++)
        x[i] = s[i] * scale;
    struct softmax q = softmax_of(x, n);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++) {
            double below = q.max - (double)x[i];
            double want = exp(-below) / q.sum;
            double far = fabs(q.max) + fabs((double)x[i]);
            double error = q.error + EXP_ERROR + ROUNDING * (4 + 4 * far + 4 * fabs(q.max));
            double bound = want * error + 2 * TINIEST;
            if (pass == 0) {
                kcheck_near(t, "weight", i, (double)got_w[i], want, bound);
                mean += d ? want * (double)d[i] : 0;
                mean_error += d ? (bound + want * ROUNDING * (double)n) * fabs((double)d[i]) : 0;
            } else {
                double rest = (double)d[i] - mean;
                double factor = (double)scale * (want + bound);
                kcheck_near(t, "d", i, (double)got_d[i], (double)scale * want * rest,
                            (double)scale * bound * fabs(rest) + factor * mean_error +
                                factor * 6 * ROUNDING * (fabs((double)d[i]) + fabs(mean)) +
                                2 * TINIEST);
            }
            if (!d && i + 1 == n)
                return;
        }
}

static void attend_one(struct kcheck *t, size_t n, int shape)
{
    float *s = kcheck_in_out(t, n, 1);
    float *alone = kcheck_in_out(t, n, 1);
    float *d = kcheck_in_out(t, n, 1);
    float scale = 1 / sqrtf((float)(1 + rng_below(&t->rng, 64)));
    logits(t, s, n, shape);
    logits(t, alone, n, shape);
    kcheck_seal(t);
    t->kern->attend(s, d, scale, n);
    attend_compare(t, kcheck_before(s), kcheck_before(d), scale, n, s, d);
    t->kern->attend(alone, NULL, scale, n);
    attend_compare(t, kcheck_before(alone), NULL, scale, n, alone, NULL);
}

/* What is not seen has no weight, wherever it stands. */
static void attend_never(struct kcheck *t, size_t n, int shape)
{
    float *s = kcheck_in_out(t, n, 1);
    size_t seen = rng_below(&t->rng, n);
    (void)shape;
    for (size_t i = 0; i < n; i++)
        s[i] = i == seen ? -50 : -1e30f;
    t->kern->attend(s, NULL, 0.25f, n);
    for (size_t i = 0; i < n; i++)
        if (i == seen ? !(s[i] == 1) : !(s[i] < FLT_MIN))
            kcheck_fail(t, "weight %zu is %.9g, %zu being the only one seen", i, (double)s[i],
                        seen);
}

static void attend_spoilt(struct kcheck *t, size_t n, size_t at, float bad)
{
    float *s = kcheck_in_out(t, n, 1);
    float *d = kcheck_in_out(t, n, 1);
    s[at] = bad;
    t->kern->attend(s, d, 0.5f, n);
    kcheck_all_nan(t, "weights", s, n);
    kcheck_all_nan(t, "d", d, n);
}

void kcheck_attend(struct kcheck *t)
{
    each_softmax(t, attend_one);
    each_softmax(t, attend_never);
    each_spoilt(t, attend_spoilt);
}

/* ---- sums, in the exact order of the contract ------------------------------------------------ */

static double lanes_of(const float *w, size_t n, bool squares)
{
    double lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] += squares ? (double)w[i] * (double)w[i] : fabs((double)w[i]);
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static void sum_abs_one(struct kcheck *t, size_t n)
{
    const float *w = kcheck_input(t, n, 3e38f);
    kcheck_seal(t);
    double got = t->kern->sum_abs(w, n);
    double want = lanes_of(w, n, false);
    kcheck_same(t, "sum", &got, &want, sizeof got);
}

static void sum_sq_one(struct kcheck *t, size_t n)
{
    const float *w = kcheck_input(t, n, 3e38f);
    kcheck_seal(t);
    double got = t->kern->sum_sq(w, n);
    double want = lanes_of(w, n, true);
    kcheck_same(t, "sum", &got, &want, sizeof got);
}

void kcheck_sum_abs(struct kcheck *t)
{
    kcheck_sweep(t, 1, sum_abs_one);
}

void kcheck_sum_sq(struct kcheck *t)
{
    kcheck_sweep(t, 1, sum_sq_one);
}

/* ---- quantisation ---------------------------------------------------------------------------- */

/* Weights at, just below and just above half of the divisor, and far beyond the clamps. */
static void around_half(struct kcheck *t, float *w, size_t n, float divisor)
{
    for (size_t i = 0; i < n; i++) {
        float half = (float)(1 + rng_below(&t->rng, 4)) * 0.5f * divisor;
        float choice[] = {half, nextafterf(half, 0), nextafterf(half, INFINITY), 1e30f * divisor};
        float x = choice[rng_below(&t->rng, 4)];
        w[i] = rng_u64(&t->rng) & 1 ? -x : x;
    }
}

static void quantise_one(struct kcheck *t, size_t n)
{
    static const float divisors[] = {1, 0.5f, 0.0137f, 1e-8f, 3.7f};
    const float divisor = divisors[rng_below(&t->rng, ARRAY_LEN(divisors))];
    const float alpha = divisor * 0.999f;
    float *w = kcheck_input(t, n, 1e30f);
    if (t->data == KCHECK_MIXED || t->data == KCHECK_WHOLE)
        around_half(t, w, n, divisor);
    float *out = kcheck_output(t, n);
    float *want = kcheck_output(t, n);
    kcheck_seal(t);
    for (size_t i = 0; i < n; i++) {
        float rounded = rintf(w[i] / divisor); /* half to even: the rounding mode of the process */
        want[i] = rounded >= 1 ? alpha : rounded <= -1 ? -alpha : 0.0f;
    }
    t->kern->quantise(w, n, divisor, alpha, out);
    kcheck_same(t, "out", out, want, n * sizeof *out);
}

void kcheck_quantise(struct kcheck *t)
{
    kcheck_sweep(t, 1, quantise_one);
}

/* ---- additions ------------------------------------------------------------------------------- */

static void add_one(struct kcheck *t, size_t n)
{
    const float *x = kcheck_input(t, n, 1e38f);
    float *y = kcheck_in_out(t, n, 1e38f);
    kcheck_seal(t);
    t->kern->add(x, n, y);
    for (size_t i = 0; i < n; i++) {
        float want = kcheck_before(y)[i] + x[i];
        kcheck_same(t, "y", &y[i], &want, sizeof want);
    }
}

void kcheck_add(struct kcheck *t)
{
    kcheck_sweep(t, 1, add_one);
}
