/* check_rows.c - normalisation, convolution and gates.
 *
 * Bounds are the roundings an operation must make, each at most ROUNDING of the term it rounds, and
 * FLT_MIN for each result that may underflow. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

static const double TINIEST = (double)FLT_MIN;

/* ---- normalisation --------------------------------------------------------------------------- */

static double rstd_of(const float *x, size_t n, float eps)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return 1 / sqrt(sum / (double)n + (double)eps);
}

static void rmsnorm_one(struct kcheck *t, size_t n)
{
    const float eps = 1e-6f;
    const float *x = kcheck_input(t, n, 1e17f);
    const float *scale = kcheck_input(t, n, 1e15f);
    float *y = kcheck_output(t, n);
    float *rstd = kcheck_output(t, 1);
    kcheck_seal(t);
    t->kern->rmsnorm(x, scale, n, eps, y, rstd);
    double r = rstd_of(x, n, eps);
    double relative = ((double)n / 2 + 5) * ROUNDING; /* half the sum's error, root, division */
    kcheck_near(t, "rstd", 0, (double)*rstd, r, r * relative);
    for (size_t i = 0; i < n; i++) {
        double want = (double)x[i] * r * (double)scale[i];
        kcheck_near(t, "y", i, (double)y[i], want,
                    fabs(want) * (relative + 2 * ROUNDING) +
                        TINIEST * (1 + fabs((double)scale[i])));
    }
}

/* Where NaN goes: to every place in turn, of every size. */
static void each_nan(struct kcheck *t, void (*one)(struct kcheck *t, size_t n, size_t at))
{
    t->data = KCHECK_RANDOM;
    t->flush = false;
    for (size_t s = 0; s < kcheck_n_sizes; s++) {
        size_t n = kcheck_sizes[s];
        for (size_t at = 0; at < n; at += 1 + (n > 40) * rng_below(&t->rng, 9)) {
            kcheck_case(t, "n %zu, NaN at %zu", n, at);
            buffers_reset(BUFFERS_UNALIGNED);
            one(t, n, at);
        }
    }
}

/* What is not finite, or whose square is not, is not taken for zeros. */
static void rmsnorm_nan(struct kcheck *t, size_t n, size_t at)
{
    float *x = kcheck_input(t, n, 1);
    const float *scale = kcheck_input(t, n, 1);
    float *y = kcheck_output(t, n);
    float rstd = 0;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e20f, -FLT_MAX};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        x[at] = bad[i];
        t->kern->rmsnorm(x, scale, n, 1e-6f, y, &rstd);
        kcheck_all_nan(t, "rstd", &rstd, 1);
        kcheck_all_nan(t, "y", y, n);
    }
}

void kcheck_rmsnorm(struct kcheck *t)
{
    kcheck_sweep(t, 1, rmsnorm_one);
    each_nan(t, rmsnorm_nan);
}

static void rmsnorm_back_one(struct kcheck *t, size_t n)
{
    const float *x = kcheck_input(t, n, 1e12f);
    const float *scale = kcheck_input(t, n, 1e3f);
    const float *dy = kcheck_input(t, n, 1e3f);
    float *dx = kcheck_in_out(t, n, 1e3f);
    float *dscale = kcheck_in_out(t, n, 1e3f);
    float rstd = (float)rstd_of(x, n, 1e-6f);
    kcheck_seal(t);
    t->kern->rmsnorm_back(x, scale, rstd, dy, n, dx, dscale);
    double r = (double)rstd;
    double sum = 0;
    double magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        double term = (double)dy[i] * (double)scale[i] * (double)x[i];
        sum += term;
        magnitude += fabs(term);
    }
    double cube = r * r * r / (double)n;
    for (size_t i = 0; i < n; i++) {
        double before = (double)kcheck_before(dx)[i];
        double direct = (double)dy[i] * (double)scale[i] * r;
        double shared = (double)x[i] * sum * cube;
        double roundings = 4 * (fabs(before) + fabs(direct) + fabs(shared)) +
                           ((double)n + 7) * fabs((double)x[i]) * magnitude * cube;
        kcheck_near(t, "dx", i, (double)dx[i], before + direct - shared,
                    ROUNDING * roundings + TINIEST * (3 + r + fabs((double)scale[i]) +
                                                      fabs((double)x[i]) * (1 + cube)));
        before = (double)kcheck_before(dscale)[i];
        direct = (double)dy[i] * (double)x[i] * r;
        kcheck_near(t, "dscale", i, (double)dscale[i], before + direct,
                    ROUNDING * (fabs(before) + 4 * fabs(direct)) +
                        TINIEST * (2 + r + fabs((double)x[i])));
    }
}

void kcheck_rmsnorm_back(struct kcheck *t)
{
    kcheck_sweep(t, 1, rmsnorm_back_one);
}

/* ---- convolution ----------------------------------------------------------------------------- */

/* Rows of a convolution: where they are, beside those that the taps reach. */
struct conv {
    struct kern_conv o;
    size_t others; /* rows before the first, or after the last */
};

static struct conv conv_random(struct kcheck *t, size_t n)
{
    size_t n_taps = 1 + rng_below(&t->rng, 17);
    size_t back = 1 + rng_below(&t->rng, 3);
    size_t rows = 1 + rng_below(&t->rng, 5);
    size_t stride = n + rng_below(&t->rng, 3) * 7;
    const float *taps = kcheck_input(t, n_taps * n, 1e17f);
    return (struct conv){{taps, n_taps, n, rows, back, stride}, (n_taps - 1) * back};
}

/* Numbers of `rows` rows whose beginnings are `stride` apart. */
static size_t conv_span(const struct conv *v, size_t rows, size_t stride)
{
    return (rows - 1) * stride + v->o.n;
}

static void conv_near(struct kcheck *t, size_t at, float got, double before, double sum,
                      double magnitude, size_t n_terms)
{
    double bound = (double)(n_terms + 1) * (ROUNDING * (fabs(before) + magnitude) + TINIEST);
    kcheck_near(t, "y", at, (double)got, before + sum, t->data == KCHECK_WHOLE ? 0 : bound);
}

/* Both directions: y_r[c] = sum over i of tap_i[c] * x_j[c], j = r + i * back, x_stride apart. */
static void conv_compare(struct kcheck *t, const struct conv *v, const float *x, size_t x_stride,
                         const float *y, size_t y_stride, bool backward)
{
    const struct kern_conv *o = &v->o;
    for (size_t r = 0; r < o->rows; r++)
        for (size_t c = 0; c < o->n; c++) {
            double sum = 0;
            double magnitude = 0;
            for (size_t i = 0; i < o->n_taps; i++) {
                size_t tap = backward ? o->n_taps - 1 - i : i;
                double term =
                    (double)o->taps[tap * o->n + c] * (double)x[(r + i * o->back) * x_stride + c];
                sum += term;
                magnitude += fabs(term);
            }
            conv_near(t, r * o->n + c, y[r * y_stride + c], 0, sum, magnitude, o->n_taps);
        }
}

static void conv_one(struct kcheck *t, size_t n)
{
    struct conv v = conv_random(t, n);
    const struct kern_conv *o = &v.o;
    const float *x = kcheck_input(t, conv_span(&v, v.others + o->rows, o->stride), 1e17f);
    float *y = kcheck_output(t, o->rows * n);
    kcheck_seal(t);
    t->kern->conv(o, x + v.others * o->stride, y);
    conv_compare(t, &v, x, o->stride, y, n, false);
}

void kcheck_conv(struct kcheck *t)
{
    kcheck_sweep(t, 1, conv_one);
}

/* Between the rows it writes nothing. */
static void conv_back_one(struct kcheck *t, size_t n)
{
    struct conv v = conv_random(t, n);
    const struct kern_conv *o = &v.o;
    const float *x = kcheck_input(t, (v.others + o->rows) * n, 1e17f);
    float *y = kcheck_in_out(t, conv_span(&v, o->rows, o->stride), 1);
    kcheck_seal(t);
    t->kern->conv_back(o, x, y);
    conv_compare(t, &v, x, n, y, o->stride, true);
    for (size_t r = 0; r + 1 < o->rows; r++)
        for (size_t c = r * o->stride + n; c < (r + 1) * o->stride; c++)
            kcheck_near(t, "between", c, (double)y[c], (double)kcheck_before(y)[c], 0);
}

void kcheck_conv_back(struct kcheck *t)
{
    kcheck_sweep(t, 1, conv_back_one);
}

static void conv_taps_one(struct kcheck *t, size_t n)
{
    struct conv v = conv_random(t, n);
    const struct kern_conv *o = &v.o;
    const float *dy = kcheck_input(t, o->rows * n, 1e17f);
    const float *x = kcheck_input(t, conv_span(&v, v.others + o->rows, o->stride), 1e17f);
    float *dtaps = kcheck_in_out(t, o->n_taps * n, 1e30f);
    kcheck_seal(t);
    t->kern->conv_taps(o, dy, x + v.others * o->stride, dtaps);
    for (size_t i = 0; i < o->n_taps * n; i++) {
        double sum = 0;
        double magnitude = 0;
        for (size_t r = 0; r < o->rows; r++) {
            double term =
                (double)dy[r * n + i % n] * (double)x[(r + i / n * o->back) * o->stride + i % n];
            sum += term;
            magnitude += fabs(term);
        }
        conv_near(t, i, dtaps[i], (double)kcheck_before(dtaps)[i], sum, magnitude, o->rows);
    }
}

void kcheck_conv_taps(struct kcheck *t)
{
    kcheck_sweep(t, 1, conv_taps_one);
}

/* ---- gates ----------------------------------------------------------------------------------- */

/* sigmoid(x), and 1 - sigmoid(x) without its cancellation. */
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Relative errors. 1/x: of a division, or of an estimate of 14 bits and a Newton step. A sigmoid:
 * of e^x, the addition and 1/x; beyond the range of e^x in a float it is 0 or FLT_MIN off, which
 * the terms in TINIEST allow for. */
#define RECIPROCAL_ERROR (2 * ROUNDING + 0x1p-28)
#define SUM_ERROR (ROUNDING + RECIPROCAL_ERROR) /* of a sigmoid near 1: e^x hardly counts */
#define SIGMOID_ERROR (EXP_ERROR + SUM_ERROR)

static void gate_one(struct kcheck *t, size_t n)
{
    const float *c = kcheck_input(t, n, 1e30f);
    const float *g = kcheck_gates(t, n);
    float *u = kcheck_output(t, n);
    kcheck_seal(t);
    t->kern->gate(c, g, n, u);
    for (size_t i = 0; i < n; i++) {
        double want = (double)c[i] * sigmoid((double)g[i]);
        kcheck_near(t, "u", i, (double)u[i], want,
                    fabs(want) * (SIGMOID_ERROR + ROUNDING) + TINIEST * (1 + fabs((double)c[i])));
    }
}

/* Of an elementwise operation: NaN where it was, and there only. */
static void nan_only_at(struct kcheck *t, const float *y, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(y[i]) != (i == at))
            kcheck_fail(t, "element %zu is %.9g", i, (double)y[i]);
}

static void gate_nan(struct kcheck *t, size_t n, size_t at)
{
    float *c = kcheck_input(t, n, 1);
    float *g = kcheck_gates(t, n);
    float *u = kcheck_output(t, n);
    float kept = c[at];
    c[at] = NAN;
    t->kern->gate(c, g, n, u);
    nan_only_at(t, u, n, at);
    c[at] = kept;
    g[at] = NAN;
    t->kern->gate(c, g, n, u);
    nan_only_at(t, u, n, at);
}

void kcheck_gate(struct kcheck *t)
{
    kcheck_sweep(t, 1, gate_one);
    each_nan(t, gate_nan);
}

/* What is computed once more is what the forward pass had. */
static void same_bits(struct kcheck *t, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(got + i, want + i, sizeof *got) != 0)
            kcheck_fail(t, "element %zu is %.9g again, was %.9g", i, (double)got[i],
                        (double)want[i]);
}

static void gate_back_compare(struct kcheck *t, const float *c, const float *g, const float *du,
                              size_t n, const float *dc, const float *dg)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)du[i];
        double s = sigmoid((double)g[i]);
        double rest = sigmoid(-(double)g[i]); /* 1 - s; in floats it is off by a rounding of s */
        double product = fabs(d * (double)c[i] * s);
        double tiny = TINIEST * (1 + fabs(d)) * (1 + fabs((double)c[i]));
        if (dc)
            kcheck_near(t, "dc", i, (double)dc[i], d * s,
                        fabs(d * s) * (SIGMOID_ERROR + ROUNDING) + tiny);
        if (dg)
            kcheck_near(t, "dg", i, (double)dg[i], d * (double)c[i] * s * rest,
                        product * (rest * (2 * SIGMOID_ERROR + 4 * ROUNDING) + SUM_ERROR) + tiny);
    }
}

/* Apart, then in place of du either way. */
static void gate_back_one(struct kcheck *t, size_t n)
{
    const float *c = kcheck_input(t, n, 1e12f);
    const float *g = kcheck_gates(t, n);
    const float *du = kcheck_input(t, n, 1e12f);
    float *dc = kcheck_output(t, n);
    float *dg = kcheck_output(t, n);
    float *u = kcheck_output(t, n);
    float *forward = kcheck_output(t, n);
    float *du_dc = kcheck_in_out(t, n, 1e12f);
    float *du_dg = kcheck_in_out(t, n, 1e12f);
    kcheck_seal(t);
    t->kern->gate(c, g, n, forward);
    t->kern->gate_back(c, g, du, n, dc, dg, u);
    gate_back_compare(t, c, g, du, n, dc, dg);
    same_bits(t, u, forward, n);
    t->kern->gate_back(c, g, du_dc, n, du_dc, dg, u);
    gate_back_compare(t, c, g, kcheck_before(du_dc), n, du_dc, dg);
    t->kern->gate_back(c, g, du_dg, n, dc, du_dg, u);
    gate_back_compare(t, c, g, kcheck_before(du_dg), n, dc, du_dg);
}

void kcheck_gate_back(struct kcheck *t)
{
    kcheck_sweep(t, 1, gate_back_one);
}

static void swiglu_one(struct kcheck *t, size_t n)
{
    const float *a = kcheck_gates(t, n);
    const float *b = kcheck_input(t, n, 1e30f);
    float *h = kcheck_output(t, n);
    kcheck_seal(t);
    t->kern->swiglu(a, b, n, h);
    for (size_t i = 0; i < n; i++) {
        double want = (double)a[i] * sigmoid((double)a[i]) * (double)b[i];
        kcheck_near(t, "h", i, (double)h[i], want,
                    fabs(want) * (SIGMOID_ERROR + 2 * ROUNDING) +
                        TINIEST * (1 + fabs((double)a[i])) * (1 + fabs((double)b[i])));
    }
}

static void swiglu_nan(struct kcheck *t, size_t n, size_t at)
{
    float *a = kcheck_gates(t, n);
    float *b = kcheck_input(t, n, 1);
    float *h = kcheck_output(t, n);
    float kept = a[at];
    a[at] = NAN;
    t->kern->swiglu(a, b, n, h);
    nan_only_at(t, h, n, at);
    a[at] = kept;
    b[at] = NAN;
    t->kern->swiglu(a, b, n, h);
    nan_only_at(t, h, n, at);
}

void kcheck_swiglu(struct kcheck *t)
{
    kcheck_sweep(t, 1, swiglu_one);
    each_nan(t, swiglu_nan);
}

static void swiglu_back_compare(struct kcheck *t, const float *a, const float *b, const float *dh,
                                size_t n, const float *da, const float *db)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i];
        double s = sigmoid(x);
        double rest = sigmoid(-x);
        double outer = (double)dh[i] * (double)b[i];
        double size = s * (1 + fabs(x) * rest); /* s and a s (1 - s) cancel near a = -1.28 */
        double tiny =
            TINIEST * (1 + fabs(x)) * (1 + fabs((double)dh[i])) * (1 + fabs((double)b[i]));
        if (da)
            kcheck_near(t, "da", i, (double)da[i], outer * s * (1 + x * rest),
                        fabs(outer) * (size * (2 * SIGMOID_ERROR + 6 * ROUNDING) +
                                       SUM_ERROR * fabs(x) * s) +
                            tiny);
        if (db)
            kcheck_near(t, "db", i, (double)db[i], (double)dh[i] * x * s,
                        fabs((double)dh[i] * x * s) * (SIGMOID_ERROR + 2 * ROUNDING) + tiny);
    }
}

static void swiglu_back_one(struct kcheck *t, size_t n)
{
    const float *a = kcheck_gates(t, n);
    const float *b = kcheck_input(t, n, 1e12f);
    const float *dh = kcheck_input(t, n, 1e12f);
    float *da = kcheck_output(t, n);
    float *db = kcheck_output(t, n);
    float *h = kcheck_output(t, n);
    float *forward = kcheck_output(t, n);
    float *dh_da = kcheck_in_out(t, n, 1e12f);
    float *dh_db = kcheck_in_out(t, n, 1e12f);
    kcheck_seal(t);
    t->kern->swiglu(a, b, n, forward);
    t->kern->swiglu_back(a, b, dh, n, da, db, h);
    swiglu_back_compare(t, a, b, dh, n, da, db);
    same_bits(t, h, forward, n);
    t->kern->swiglu_back(a, b, dh_da, n, dh_da, db, h);
    swiglu_back_compare(t, a, b, kcheck_before(dh_da), n, dh_da, db);
    t->kern->swiglu_back(a, b, dh_db, n, da, dh_db, h);
    swiglu_back_compare(t, a, b, kcheck_before(dh_db), n, da, dh_db);
}

void kcheck_swiglu_back(struct kcheck *t)
{
    kcheck_sweep(t, 1, swiglu_back_one);
}
