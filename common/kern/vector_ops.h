/* vector_ops.h - the operations written once over a vector type, for the instruction-set files.
 *
 * Not a header in the usual sense: avx2.c and avx512.c define the type `vec` of WIDTH
 * floats, the v_ functions on it and TILE_ROWS x TILE_VECS, the tile of C that fits the registers,
 * then include this file once. Everything is static; ops_install writes the table. Contracts:
 * kern.h. */

#include <math.h>

#include "kern/vector_math.h"
#include "kern/vector_product.h"

/* ---- dot products -----------------------------------------------------------------------------*/

INLINE vec dot_vec(const float *x, const float *y, size_t n)
{
    vec s0 = v_set(0.0f);
    vec s1 = v_set(0.0f);
    size_t i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
        s0 = v_fma(v_load(x + i), v_load(y + i), s0);
        s1 = v_fma(v_load(x + i + WIDTH), v_load(y + i + WIDTH), s1);
    }
    for (; i < n; i += WIDTH) {
        vmask rest = v_mask(MIN(n - i, (size_t)WIDTH));
        s0 = v_fma(v_load_mask(x + i, rest), v_load_mask(y + i, rest), s0);
    }
    return v_add(s0, s1);
}

/* ---- normalisation --------------------------------------------------------------------------- */

static void op_rmsnorm(const float *x, const float *scale, size_t n, float eps, float *y,
                       float *rstd)
{
    float r = 1.0f / sqrtf(v_sum(dot_vec(x, x, n)) / (float)n + eps);
    if (r == 0)
        r = NAN;
    vec rv = v_set(r);
#define BODY(load, store) store(y + i, v_mul(v_mul(load(x + i), rv), load(scale + i)))
    FOR_VECTORS(n, BODY);
#undef BODY
    *rstd = r;
}

static void op_rmsnorm_back(const float *x, const float *scale, float rstd, const float *dy,
                            size_t n, float *dx, float *dscale)
{
    vec sum = v_set(0.0f);
#define BODY(load, store) sum = v_fma(v_mul(load(dy + i), load(scale + i)), load(x + i), sum)
    FOR_VECTORS(n, BODY);
#undef BODY
    vec shared = v_set(-v_sum(sum) * rstd * rstd * rstd / (float)n);
    vec rv = v_set(rstd);
#define BODY(load, store)                                                          \
    do {                                                                           \
        vec d = v_mul(load(dy + i), rv);                                           \
        vec xi = load(x + i);                                                      \
        store(dx + i, v_fma(d, load(scale + i), v_fma(xi, shared, load(dx + i)))); \
        store(dscale + i, v_fma(d, xi, load(dscale + i)));                         \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* ---- convolution ----------------------------------------------------------------------------- */

/* As many taps at a time as are left, of what has registers: 8, 4 or 1. */
#define CONV_PASSES(n_taps, PASS)                                     \
    for (size_t first = 0, count; first < (n_taps); first += count) { \
        size_t left = (n_taps)-first;                                 \
        count = left >= 8 ? 8 : left >= 4 ? 4 : 1;                    \
        if (count == 8)                                               \
            PASS(8);                                                  \
        else if (count == 4)                                          \
            PASS(4);                                                  \
        else                                                          \
            PASS(1);                                                  \
    }

/* y = or += what `count` taps, `tap_step` floats apart, make of as many rows of x, x_step floats
 * apart, and of the rows that follow. */
INLINE void conv_pass(const size_t count, const struct kern_conv *o, const float *taps,
                      ptrdiff_t tap_step, const float *x, size_t x_step, size_t x_stride, float *y,
                      size_t y_stride, bool add)
{
#define BODY(load, store)                                                          \
    do {                                                                           \
        vec tap[8];                                                                \
        for (size_t t = 0; t < count; t++)                                         \
            tap[t] = load(taps + (ptrdiff_t)t * tap_step + i);                     \
        for (size_t r = 0; r < o->rows; r++) {                                     \
            vec sum = add ? load(y + r * y_stride + i) : v_set(0.0f);              \
            for (size_t t = 0; t < count; t++)                                     \
                sum = v_fma(tap[t], load(x + r * x_stride + t * x_step + i), sum); \
            store(y + r * y_stride + i, sum);                                      \
        }                                                                          \
    } while (0)
    FOR_VECTORS(o->n, BODY);
#undef BODY
}

static void op_conv(const struct kern_conv *o, const float *v, float *y)
{
    size_t step = o->back * o->stride;
#define PASS(count)                                              \
    conv_pass(count, o, o->taps + first * o->n, (ptrdiff_t)o->n, \
              v - (o->n_taps - 1 - first) * step, step, o->stride, y, o->n, first > 0)
    CONV_PASSES(o->n_taps, PASS)
#undef PASS
}

static void op_conv_back(const struct kern_conv *o, const float *dy, float *dv)
{
    size_t step = o->back * o->n;
#define PASS(count)                                                                 \
    conv_pass(count, o, o->taps + (o->n_taps - 1 - first) * o->n, -(ptrdiff_t)o->n, \
              dy + first * step, step, o->n, dv, o->stride, first > 0)
    CONV_PASSES(o->n_taps, PASS)
#undef PASS
}

/* Sums of `count` taps, from the first one on. */
INLINE void conv_taps_pass(const size_t count, const struct kern_conv *o, size_t first,
                           const float *dy, const float *v, float *dtaps)
{
    size_t step = o->back * o->stride;
    v -= (o->n_taps - 1 - first) * step;
    dtaps += first * o->n;
#define BODY(load, store)                                                          \
    do {                                                                           \
        vec sum[8];                                                                \
        for (size_t t = 0; t < count; t++)                                         \
            sum[t] = load(dtaps + t * o->n + i);                                   \
        for (size_t r = 0; r < o->rows; r++) {                                     \
            vec d = load(dy + r * o->n + i);                                       \
            for (size_t t = 0; t < count; t++)                                     \
                sum[t] = v_fma(d, load(v + r * o->stride + t * step + i), sum[t]); \
        }                                                                          \
        for (size_t t = 0; t < count; t++)                                         \
            store(dtaps + t * o->n + i, sum[t]);                                   \
    } while (0)
    FOR_VECTORS(o->n, BODY);
#undef BODY
}

static void op_conv_taps(const struct kern_conv *o, const float *dy, const float *v, float *dtaps)
{
#define PASS(count) conv_taps_pass(count, o, first, dy, v, dtaps)
    CONV_PASSES(o->n_taps, PASS)
#undef PASS
}

static void op_add(const float *x, size_t n, float *y)
{
#define BODY(load, store) store(y + i, v_add(load(x + i), load(y + i)))
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* ---- gates ----------------------------------------------------------------------------------- */

static void op_gate(const float *c, const float *g, size_t n, float *u)
{
#define BODY(load, store) store(u + i, v_mul(load(c + i), v_sigmoid(load(g + i))))
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_gate_back(const float *c, const float *g, const float *du, size_t n, float *dc,
                         float *dg, float *u)
{
#define BODY(load, store)                                          \
    do {                                                           \
        vec s = v_sigmoid(load(g + i));                            \
        vec d = v_mul(load(du + i), s);                            \
        vec ci = load(c + i);                                      \
        store(dc + i, d);                                          \
        store(dg + i, v_mul(v_mul(d, ci), v_sub(v_set(1.0f), s))); \
        store(u + i, v_mul(ci, s));                                \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_swiglu(const float *a, const float *b, size_t n, float *h)
{
#define BODY(load, store)                                           \
    do {                                                            \
        vec ai = load(a + i);                                       \
        store(h + i, v_mul(v_mul(ai, v_sigmoid(ai)), load(b + i))); \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_swiglu_back(const float *a, const float *b, const float *dh, size_t n, float *da,
                           float *db, float *h)
{
#define BODY(load, store)                                                          \
    do {                                                                           \
        vec ai = load(a + i);                                                      \
        vec s = v_sigmoid(ai);                                                     \
        vec d = load(dh + i);                                                      \
        vec bi = load(b + i);                                                      \
        vec silu = v_mul(ai, s);                                                   \
        store(da + i, v_mul(v_mul(d, bi), v_fma(silu, v_sub(v_set(1.0f), s), s))); \
        store(db + i, v_mul(d, silu));                                             \
        store(h + i, v_mul(silu, bi));                                             \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* ---- softmax --------------------------------------------------------------------------------- */

static float op_maximum(const float *x, size_t n)
{
    return maximum(x, n);
}

static float op_logsumexp(const float *x, size_t n)
{
    float max = maximum(x, n);
    vec mv = v_set(max);
    vec sum = v_set(0.0f);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        sum = v_add(sum, v_exp_below(v_sub(v_load(x + i), mv)));
    float s = v_sum(sum);
    for (; i < n; i++)
        s += fmath_expf(x[i] - max);
    return max + (float)fmath_log((double)s);
}

static void op_powers(float *x, size_t x_stride, size_t rows, size_t n, const float *level,
                      float *sum, void *by_rows, void *by_columns, size_t columns_stride)
{
    (void)by_rows;
    (void)by_columns;
    (void)columns_stride;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i += KERN_SUM_COLUMNS)
            sum[r] +=
                powers_of(x + r * x_stride + i, MIN((size_t)KERN_SUM_COLUMNS, n - i), level[r]);
}

static void op_attend(float *s, float *d, float scale, size_t n)
{
    vec sv = v_set(scale);
    vec most = v_set(maximum(s, n) * scale);
    vec total = v_set(0.0f);
    vec with_d = v_set(0.0f);
#define BODY(load, store)                                               \
    do {                                                                \
        vec p = v_exp_below(v_sub(v_mul(load(s + i), sv), most));       \
        store(s + i, p);                                                \
        total = v_add(total, load(s + i)); /* without what is masked */ \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
    vec factor = v_set(1.0f / v_sum(total));
#define BODY(load, store)                           \
    do {                                            \
        vec p = v_mul(load(s + i), factor);         \
        store(s + i, p);                            \
        if (d)                                      \
            with_d = v_fma(p, load(d + i), with_d); \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
    if (!d)
        return;
    vec mean = v_set(v_sum(with_d));
#define BODY(load, store) store(d + i, v_mul(v_mul(sv, load(s + i)), v_sub(load(d + i), mean)))
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* ---- weights --------------------------------------------------------------------------------- */

static void op_quantise(const float *w, size_t n, float divisor, float alpha, float *out)
{
    vec d = v_set(divisor);
    vec half = v_set(0.5f);
    vec minus_half = v_set(-0.5f);
    vec plus = v_set(alpha);
    vec minus = v_set(-alpha);
    vec zero = v_set(0.0f);
#define BODY(load, store)                                                                        \
    do {                                                                                         \
        vec t = v_div(load(w + i), d);                                                           \
        store(out + i, v_select_less(half, t, plus, v_select_less(t, minus_half, minus, zero))); \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_adamw(float *w, const float *g, float *m, float *v, size_t n,
                     const struct kern_adamw *o)
{
    vec decay = v_set(1.0f - o->lr * o->weight_decay);
    vec rate = v_set(-o->lr / o->bias1);
    vec root = v_set(1.0f / sqrtf(o->bias2));
    vec eps = v_set(o->eps);
    vec g_scale = v_set(o->g_scale);
    vec beta1 = v_set(o->beta1);
    vec beta2 = v_set(o->beta2);
    vec rest1 = v_set(1.0f - o->beta1);
    vec rest2 = v_set(1.0f - o->beta2);
#define BODY(load, store)                                                    \
    do {                                                                     \
        vec grad = v_mul(load(g + i), g_scale);                              \
        vec mi = v_fma(beta1, load(m + i), v_mul(rest1, grad));              \
        vec vi = v_fma(beta2, load(v + i), v_mul(rest2, v_mul(grad, grad))); \
        store(m + i, mi);                                                    \
        store(v + i, vi);                                                    \
        vec step = v_div(v_mul(rate, mi), v_fma(v_sqrt(vi), root, eps));     \
        store(w + i, v_fma(load(w + i), decay, step));                       \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* ---- orthogonal steps ------------------------------------------------------------------------ */

static void op_nesterov(const float *g, float *m, size_t n, float mu, float *y)
{
    vec part = v_set(mu);
    vec other = v_set(1.0f - mu);
#define BODY(load, store)                         \
    do {                                          \
        vec fresh = v_mul(other, load(g + i));    \
        vec mi = v_fma(part, load(m + i), fresh); \
        store(m + i, mi);                         \
        store(y + i, v_fma(part, mi, fresh));     \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_descend(float *w, const float *x, size_t n, const struct kern_descend *o)
{
    vec rate = v_set(-o->rate);
    vec keep = v_set(1.0f - o->decay);
#define BODY(load, store) store(w + i, v_fma(rate, load(x + i), v_mul(load(w + i), keep)))
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void op_axpby(float a, const float *x, float b, size_t n, float *y)
{
    vec av = v_set(a);
    vec bv = v_set(b);
#define BODY(load, store) store(y + i, v_fma(av, load(x + i), v_mul(bv, load(y + i))))
    FOR_VECTORS(n, BODY);
#undef BODY
}

INLINE void ops_install(struct kern *k)
{
    k->unit = 1;
    k->panel = TILE_COLS;
    k->product = op_product;
    k->pack = op_pack;
    k->spin = op_spin;
    k->rmsnorm = op_rmsnorm;
    k->rmsnorm_back = op_rmsnorm_back;
    k->conv = op_conv;
    k->conv_back = op_conv_back;
    k->conv_taps = op_conv_taps;
    k->gate = op_gate;
    k->gate_back = op_gate_back;
    k->swiglu = op_swiglu;
    k->swiglu_back = op_swiglu_back;
    k->add = op_add;
    k->logsumexp = op_logsumexp;
    k->maximum = op_maximum;
    k->powers = op_powers;
    k->attend = op_attend;
    k->quantise = op_quantise;
    k->adamw = op_adamw;
    k->nesterov = op_nesterov;
    k->descend = op_descend;
    k->axpby = op_axpby;
}
