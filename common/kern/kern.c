/* kern.c - every operation in plain C: the reference the faster levels are compared with, and the
 * code for machines that have none of them. Loops are written so that a compiler can turn them into
 * vectors of the baseline instruction set: several independent sums, no branches inside. */
#include "kern/kern.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "kern/keep.h"

enum {
    TILE_COLS = 8 /* = panel */
};

/* ---- sums ------------------------------------------------------------------------------------ */

static float fold(float lane[KERN_LANES])
{
    for (size_t half = KERN_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static double fold_double(double lane[KERN_LANES])
{
    for (size_t half = KERN_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static float dot(const float *x, const float *y, size_t n)
{
    float lane[KERN_LANES] = {0};
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES)
        for (size_t j = 0; j < KERN_LANES; j++)
            lane[j] += x[i + j] * y[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += x[i] * y[i];
    return fold(lane);
}

static double sum_abs_c(const float *w, size_t n)
{
    double lane[KERN_LANES] = {0};
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES)
        for (size_t j = 0; j < KERN_LANES; j++)
            lane[j] += (double)fabsf(w[i + j]);
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += (double)fabsf(w[i]);
    return fold_double(lane);
}

static double sum_sq_c(const float *w, size_t n)
{
    double lane[KERN_LANES] = {0};
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES)
        for (size_t j = 0; j < KERN_LANES; j++)
            lane[j] += (double)w[i + j] * (double)w[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += (double)w[i] * (double)w[i];
    return fold_double(lane);
}

/* ---- products -------------------------------------------------------------------------------- */

void kern_pack_floats(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                      size_t panel, void *out)
{
    for (size_t j0 = first; j0 < first + count; j0 += panel) {
        float *cell = (float *)out + j0 * n_in;
        for (size_t p = 0; p < n_in; p++)
            for (size_t j = j0; j < j0 + panel; j++)
                *cell++ = j < n_out ? w[j * n_in + p] : 0;
    }
}

static void pack_c(const float *w, size_t n_out, size_t n_in, size_t first, size_t count, void *out)
{
    kern_pack_floats(w, n_out, n_in, first, count, TILE_COLS, out);
}

/* Sums and products in chains apart, since plain C multiplies and adds apart. */
static double spin_c(size_t n)
{
    enum { CHAINS = 7 }; /* and as many again: with their operand, the 16 registers there are */
    typedef float four __attribute__((vector_size(16)));
    four sum[CHAINS];
    four product[CHAINS];
    four one = {1.0f, 1.0f, 1.0f, 1.0f};
#pragma GCC unroll 7
    for (size_t i = 0; i < CHAINS; i++) {
        sum[i] = product[i] = one;
        KEEP(sum[i]); /* the compiler would merge chains it knows are equal */
        KEEP(product[i]);
    }
    KEEP(one);
    for (size_t r = 0; r < n; r++) {
#pragma GCC unroll 7
        for (size_t i = 0; i < CHAINS; i++) {
            sum[i] += one;
            product[i] *= one;
        }
    }
#pragma GCC unroll 7
    for (size_t i = 0; i < CHAINS; i++)
        sum[0] += sum[i] + product[i];
    volatile float out = sum[0][0];
    (void)out;
    return (double)n * CHAINS * 4 * 2;
}

/* A row of A by up to TILE_COLS columns of B, whose rows are `stride` cells apart. */
static void product_row(size_t cols, size_t k, const float *a, size_t a_col, const float *b,
                        size_t stride, float *c, bool add)
{
    float sum[TILE_COLS] = {0};
    for (size_t j = 0; add && j < cols; j++)
        sum[j] = c[j];
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < cols; j++)
            sum[j] += a[p * a_col] * b[p * stride + j];
    for (size_t j = 0; j < cols; j++)
        c[j] = sum[j];
}

static void product_c(size_t m, size_t n, size_t k, const void *a, size_t a_row, size_t a_col,
                      struct kern_b b, float *c, size_t c_stride, bool add)
{
    for (size_t j = 0; j < n; j += TILE_COLS) {
        const float *panel = (const float *)b.cells + (b.stride ? j : j * k);
        size_t stride = b.stride ? b.stride : TILE_COLS;
        for (size_t i = 0; i < m; i++) {
            const float *row = (const float *)a + i * a_row;
            float *out = c + i * c_stride + j;
            if (n - j >= TILE_COLS)
                product_row(TILE_COLS, k, row, a_col, panel, stride, out, add);
            else
                product_row(n - j, k, row, a_col, panel, stride, out, add);
        }
    }
}

/* ---- normalisation --------------------------------------------------------------------------- */

static void rmsnorm_c(const float *x, const float *scale, size_t n, float eps, float *y,
                      float *rstd)
{
    float r = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    if (r == 0)
        r = NAN;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * r * scale[i];
    *rstd = r;
}

static void rmsnorm_back_c(const float *x, const float *scale, float rstd, const float *dy,
                           size_t n, float *dx, float *dscale)
{
    float lane[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % KERN_LANES] += dy[i] * scale[i] * x[i];
    float shared = fold(lane) * rstd * rstd * rstd / (float)n;
    for (size_t i = 0; i < n; i++) {
        dx[i] += dy[i] * scale[i] * rstd - x[i] * shared;
        dscale[i] += dy[i] * x[i] * rstd;
    }
}

/* ---- convolution ----------------------------------------------------------------------------- */

static void conv_c(const struct kern_conv *o, const float *v, float *y)
{
    for (size_t r = 0; r < o->rows; r++, v += o->stride, y += o->n) {
        memset(y, 0, o->n * sizeof *y);
        for (size_t i = 0; i < o->n_taps; i++) {
            const float *row = v - (o->n_taps - 1 - i) * o->back * o->stride;
            for (size_t c = 0; c < o->n; c++)
                y[c] += o->taps[i * o->n + c] * row[c];
        }
    }
}

static void conv_back_c(const struct kern_conv *o, const float *dy, float *dv)
{
    for (size_t r = 0; r < o->rows; r++, dy += o->n, dv += o->stride) {
        memset(dv, 0, o->n * sizeof *dv);
        for (size_t i = 0; i < o->n_taps; i++) {
            const float *tap = o->taps + (o->n_taps - 1 - i) * o->n;
            for (size_t c = 0; c < o->n; c++)
                dv[c] += tap[c] * dy[i * o->back * o->n + c];
        }
    }
}

static void conv_taps_c(const struct kern_conv *o, const float *dy, const float *v, float *dtaps)
{
    for (size_t r = 0; r < o->rows; r++, dy += o->n, v += o->stride)
        for (size_t i = 0; i < o->n_taps; i++) {
            const float *row = v - (o->n_taps - 1 - i) * o->back * o->stride;
            for (size_t c = 0; c < o->n; c++)
                dtaps[i * o->n + c] += dy[c] * row[c];
        }
}

static void add_c(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* ---- gates ----------------------------------------------------------------------------------- */

static float sigmoid(float x)
{
    return 1.0f / (1.0f + fmath_expf(-x));
}

static void gate_c(const float *c, const float *g, size_t n, float *u)
{
    for (size_t i = 0; i < n; i++)
        u[i] = c[i] * sigmoid(g[i]);
}

static void gate_back_c(const float *c, const float *g, const float *du, size_t n, float *dc,
                        float *dg, float *u)
{
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid(g[i]);
        float d = du[i];
        dc[i] = d * s;
        dg[i] = d * c[i] * s * (1.0f - s);
        u[i] = c[i] * s;
    }
}

static void swiglu_c(const float *a, const float *b, size_t n, float *h)
{
    for (size_t i = 0; i < n; i++)
        h[i] = a[i] * sigmoid(a[i]) * b[i];
}

static void swiglu_back_c(const float *a, const float *b, const float *dh, size_t n, float *da,
                          float *db, float *h)
{
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid(a[i]);
        float d = dh[i];
        float silu = a[i] * s;
        da[i] = d * b[i] * (s + silu * (1.0f - s));
        db[i] = d * silu;
        h[i] = silu * b[i];
    }
}

/* ---- softmax --------------------------------------------------------------------------------- */

static float maximum_c(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static float logsumexp_c(const float *x, size_t n)
{
    float max = maximum_c(x, n);
    float lane[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % KERN_LANES] += fmath_expf(x[i] - max);
    return max + (float)fmath_log((double)fold(lane));
}

/* Powers of n numbers in their place; returns their sum. */
static float powers(float *x, size_t n, float level)
{
    float lane[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float above = x[i] - level;
        x[i] = fmath_expf(above > 88.0f ? 88.0f : above);
        lane[i % KERN_LANES] += x[i];
    }
    return fold(lane);
}

void kern_powers_c(float *x, size_t x_stride, size_t rows, size_t n, const float *level, float *sum,
                   void *by_rows, void *by_columns, size_t columns_stride)
{
    (void)by_rows;
    (void)by_columns;
    (void)columns_stride;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i += KERN_SUM_COLUMNS)
            sum[r] += powers(x + r * x_stride + i, MIN((size_t)KERN_SUM_COLUMNS, n - i), level[r]);
}

static void attend_c(float *s, float *d, float scale, size_t n)
{
    float lane[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        s[i] *= scale;
    float sum = powers(s, n, maximum_c(s, n));
    for (size_t i = 0; i < n; i++) {
        s[i] /= sum;
        lane[i % KERN_LANES] += d ? s[i] * d[i] : 0;
    }
    float mean = fold(lane);
    for (size_t i = 0; d && i < n; i++)
        d[i] = scale * s[i] * (d[i] - mean);
}

/* ---- weights --------------------------------------------------------------------------------- */

static void quantise_c(const float *w, size_t n, float divisor, float alpha, float *out)
{
    for (size_t i = 0; i < n; i++) {
        float t = w[i] / divisor; /* half to even rounds 0.5 to 0, and the clamp takes 1.5 to 1 */
        out[i] = t > 0.5f ? alpha : t < -0.5f ? -alpha : 0.0f;
    }
}

static void adamw_c(float *w, const float *g, float *m, float *v, size_t n,
                    const struct kern_adamw *o)
{
    float decay = 1.0f - o->lr * o->weight_decay;
    float rate = o->lr / o->bias1;
    float root = 1.0f / sqrtf(o->bias2);
    for (size_t i = 0; i < n; i++) {
        float grad = g[i] * o->g_scale;
        m[i] = o->beta1 * m[i] + (1.0f - o->beta1) * grad;
        v[i] = o->beta2 * v[i] + (1.0f - o->beta2) * (grad * grad);
        w[i] = w[i] * decay - rate * m[i] / (sqrtf(v[i]) * root + o->eps);
    }
}

/* ---- orthogonal steps ------------------------------------------------------------------------ */

static void nesterov_c(const float *g, float *m, size_t n, float mu, float *y)
{
    for (size_t i = 0; i < n; i++) {
        float fresh = (1.0f - mu) * g[i];
        m[i] = mu * m[i] + fresh;
        y[i] = mu * m[i] + fresh;
    }
}

static void descend_c(float *w, const float *x, size_t n, const struct kern_descend *o)
{
    for (size_t i = 0; i < n; i++)
        w[i] = w[i] * (1.0f - o->decay) - o->rate * x[i];
}

static void axpby_c(float a, const float *x, float b, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i] + b * y[i];
}

/* In columns of a cache line, so that each line of both is fetched once. */
static void transpose_c(const void *in, size_t in_stride, size_t rows, size_t cols, void *out,
                        size_t out_stride)
{
    const uint32_t *from = in;
    uint32_t *to = out;
    for (size_t j0 = 0; j0 < cols; j0 += 16)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = j0; j < MIN(cols, j0 + 16); j++)
                to[j * out_stride + i] = from[i * in_stride + j];
}

static void init_exact(struct kern_exact *k, uint32_t features)
{
    kern_exact_c(k);
    kern_v128_inference(k, features);
#if defined(__x86_64__)
    kern_x86_inference(k, features);
#elif defined(__aarch64__)
    kern_arm_inference(k, features);
#elif defined(__wasm_simd128__)
    kern_wasm_inference(k, features);
#endif
}

void kern_init_inference(struct kern *k, const struct cpu_level *level)
{
    *k = (struct kern){.level = level, .add = add_c};
    init_exact(&k->exact, level->features);
}

void kern_init(struct kern *k, const struct cpu_level *level)
{
    *k = (struct kern){
        .level = level,
        .panel = TILE_COLS,
        .unit = 1,
        .cache = KERN_CACHE,
        .product = product_c,
        .pack = pack_c,
        .spin = spin_c,
        .rmsnorm = rmsnorm_c,
        .rmsnorm_back = rmsnorm_back_c,
        .conv = conv_c,
        .conv_back = conv_back_c,
        .conv_taps = conv_taps_c,
        .gate = gate_c,
        .gate_back = gate_back_c,
        .swiglu = swiglu_c,
        .swiglu_back = swiglu_back_c,
        .add = add_c,
        .logsumexp = logsumexp_c,
        .maximum = maximum_c,
        .powers = kern_powers_c,
        .attend = attend_c,
        .sum_abs = sum_abs_c,
        .sum_sq = sum_sq_c,
        .quantise = quantise_c,
        .adamw = adamw_c,
        .nesterov = nesterov_c,
        .descend = descend_c,
        .axpby = axpby_c,
        .transpose = transpose_c,
    };
    init_exact(&k->exact, level->features);
    kern_v128(k, level->features);
#if defined(__x86_64__)
    kern_x86(k, level->features);
#elif defined(__aarch64__)
    kern_arm(k, level->features);
#endif
}
