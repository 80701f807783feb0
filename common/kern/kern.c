/* kern.c - every operation in plain C: the reference the faster levels are compared with, and the
 * code for machines that have none of them. Loops are written so that a compiler can turn them into
 * vectors of the baseline instruction set: several independent sums, no branches inside. */
#include "kern/kern.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

enum {
    LANES = 16,    /* partial sums of a reduction: the order is part of the exact operations */
    TILE_ROWS = 4, /* a tile of C held in registers while p runs */
    TILE_COLS = 8, /* = panel */
    DEPTH = 256    /* rows of B that stay in the first-level cache */
};

/* ---- sums ------------------------------------------------------------------------------------ */

static float fold(float lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static double fold_double(double lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static float dot(const float *x, const float *y, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j] * y[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += x[i] * y[i];
    return fold(lane);
}

static double sum_abs_c(const float *w, size_t n)
{
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += (double)fabsf(w[i + j]);
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += (double)fabsf(w[i]);
    return fold_double(lane);
}

static double sum_sq_c(const float *w, size_t n)
{
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += (double)w[i + j] * (double)w[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lane[j] += (double)w[i] * (double)w[i];
    return fold_double(lane);
}

/* ---- products -------------------------------------------------------------------------------- */

static void pack_c(const float *w, size_t n_out, size_t n_in, size_t first, size_t count, void *out)
{
    for (size_t j0 = first; j0 < first + count; j0 += TILE_COLS) {
        float *panel = (float *)out + j0 * n_in;
        for (size_t p = 0; p < n_in; p++)
            for (size_t j = 0; j < TILE_COLS; j++)
                panel[p * TILE_COLS + j] = j0 + j < n_out ? w[(j0 + j) * n_in + p] : 0;
    }
}

/* One register tile: c[rows][TILE_COLS] (+)= a b over `depth` rows of b. Compilers do not keep a
 * two-dimensional array of sums in vector registers, so here they are told: four floats at a time,
 * which is the baseline of every machine this runs on. */
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* Makes the compiler forget what it knows of a variable. */
#if defined(__x86_64__)
#define KEEP(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define KEEP(x) __asm__("" : "+w"(x))
#else
#define KEEP(x) __asm__("" : "+m"(x))
#endif

static void tile(size_t rows, size_t depth, const float *a, size_t a_row, size_t a_col,
                 const float *b, size_t b_stride, float *c, size_t c_stride, bool add)
{
    four low[TILE_ROWS];
    four high[TILE_ROWS];
    const float *row[TILE_ROWS]; /* rows beyond the last repeat it, and write the same sums again */
    float *out[TILE_ROWS];
    for (size_t i = 0; i < TILE_ROWS; i++) {
        row[i] = a + MIN(i, rows - 1) * a_row;
        out[i] = c + MIN(i, rows - 1) * c_stride;
        low[i] = add ? *(const four *)out[i] : (four){0};
        high[i] = add ? *(const four *)(out[i] + 4) : (four){0};
    }
    for (size_t p = 0; p < depth; p++, b += b_stride) {
        four b_low = *(const four *)b;
        four b_high = *(const four *)(b + 4);
        for (size_t i = 0; i < TILE_ROWS; i++) {
            float x = row[i][p * a_col];
            low[i] += x * b_low;
            high[i] += x * b_high;
        }
    }
    for (size_t i = 0; i < TILE_ROWS; i++) {
        *(four *)out[i] = low[i];
        *(four *)(out[i] + 4) = high[i];
    }
}

/* Sums and products in chains apart, since plain C multiplies and adds apart. */
static double spin_c(size_t n)
{
    enum { CHAINS = 7 }; /* and as many again: with their operand, the 16 registers there are */
    four sum[CHAINS];
    four product[CHAINS];
    four one = {1.0f, 1.0f, 1.0f, 1.0f};
#pragma GCC unroll 7
    for (size_t i = 0; i < CHAINS; i++) {
        sum[i] = product[i] = one;
        KEEP(sum[i]); /* chains that a compiler knows to be equal, it computes once */
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

/* The last, narrow columns: through buffers of full width. */
static void edge_tile(size_t rows, size_t cols, size_t depth, const float *a, size_t a_row,
                      size_t a_col, const float *b, size_t b_stride, float *c, size_t c_stride,
                      bool add)
{
    float wide[TILE_ROWS * TILE_COLS] = {0};
    for (size_t i = 0; add && i < rows; i++)
        memcpy(wide + i * TILE_COLS, c + i * c_stride, cols * sizeof *c);
    tile(rows, depth, a, a_row, a_col, b, b_stride, wide, TILE_COLS, add);
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * c_stride, wide + i * TILE_COLS, cols * sizeof *c);
}

static void product_c(size_t m, size_t n, size_t k, const void *a_cells, size_t a_row, size_t a_col,
                      struct kern_b b, float *c, size_t c_stride, bool add)
{
    const float *a = a_cells;
    const float *b_cells = b.cells;
    float edge[DEPTH * TILE_COLS];
    for (size_t p0 = 0; p0 < k; p0 += DEPTH) {
        size_t depth = MIN(k - p0, (size_t)DEPTH);
        for (size_t j0 = 0; j0 < n; j0 += TILE_COLS) {
            size_t cols = MIN(n - j0, (size_t)TILE_COLS);
            size_t stride = b.stride ? b.stride : TILE_COLS;
            const float *panel =
                b.stride ? b_cells + p0 * stride + j0 : b_cells + j0 * k + p0 * TILE_COLS;
            if (b.stride && cols < TILE_COLS) { /* never read past the end of a row */
                memset(edge, 0, sizeof edge);
                for (size_t p = 0; p < depth; p++)
                    memcpy(edge + p * TILE_COLS, panel + p * stride, cols * sizeof *edge);
                panel = edge;
                stride = TILE_COLS;
            }
            for (size_t i0 = 0; i0 < m; i0 += TILE_ROWS) {
                size_t rows = MIN(m - i0, (size_t)TILE_ROWS);
                const float *at = a + i0 * a_row + p0 * a_col;
                float *ct = c + i0 * c_stride + j0;
                if (cols == TILE_COLS)
                    tile(rows, depth, at, a_row, a_col, panel, stride, ct, c_stride, add || p0);
                else
                    edge_tile(rows, cols, depth, at, a_row, a_col, panel, stride, ct, c_stride,
                              add || p0);
            }
        }
    }
}

/* ---- normalisation --------------------------------------------------------------------------- */

static void rmsnorm_c(const float *x, const float *scale, size_t n, float eps, float *y,
                      float *rstd)
{
    float r = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * r * scale[i];
    *rstd = r;
}

static void rmsnorm_back_c(const float *x, const float *scale, float rstd, const float *dy,
                           size_t n, float *dx, float *dscale)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += dy[i] * scale[i] * x[i];
    float shared = fold(lane) * rstd * rstd * rstd / (float)n;
    for (size_t i = 0; i < n; i++) {
        dx[i] += dy[i] * scale[i] * rstd - x[i] * shared;
        dscale[i] += dy[i] * x[i] * rstd;
    }
}

/* ---- convolution ----------------------------------------------------------------------------- */

static void conv_back_c(const float *dy, size_t back, const float *taps, size_t n_taps, size_t n,
                        float *dv)
{
    memset(dv, 0, n * sizeof *dv);
    for (size_t i = 0; i < n_taps; i++) {
        const float *tap = taps + (n_taps - 1 - i) * n;
        const float *row = dy + i * back;
        for (size_t c = 0; c < n; c++)
            dv[c] += tap[c] * row[c];
    }
}

static void mul_add_c(const float *x, const float *z, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] * z[i];
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
                        float *dg)
{
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid(g[i]);
        float d = du[i];
        dc[i] = d * s;
        dg[i] = d * c[i] * s * (1.0f - s);
    }
}

static void swiglu_c(const float *a, const float *b, size_t n, float *h)
{
    for (size_t i = 0; i < n; i++)
        h[i] = a[i] * sigmoid(a[i]) * b[i];
}

static void swiglu_back_c(const float *a, const float *b, const float *dh, size_t n, float *da,
                          float *db)
{
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid(a[i]);
        float d = dh[i];
        float silu = a[i] * s;
        da[i] = d * b[i] * (s + silu * (1.0f - s));
        db[i] = d * silu;
    }
}

/* ---- softmax --------------------------------------------------------------------------------- */

static float maximum(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static float logsumexp_c(const float *x, size_t n)
{
    float max = maximum(x, n);
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += fmath_expf(x[i] - max);
    return max + (float)fmath_log((double)fold(lane));
}

void kern_softmax_c(float *x, size_t rows, size_t n, float *max, float *sum, void *by_rows,
                    void *by_columns)
{
    (void)by_rows;
    (void)by_columns;
    for (size_t r = 0; r < rows; r++, x += n) {
        float lane[LANES] = {0};
        max[r] = maximum(x, n);
        for (size_t i = 0; i < n; i++) {
            x[i] = fmath_expf(x[i] - max[r]);
            lane[i % LANES] += x[i];
        }
        sum[r] = fold(lane);
    }
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

void kern_init(struct kern *k, const struct cpu_level *level)
{
    *k = (struct kern){
        .level = level,
        .panel = TILE_COLS,
        .unit = 1,
        .product = product_c,
        .pack = pack_c,
        .spin = spin_c,
        .rmsnorm = rmsnorm_c,
        .rmsnorm_back = rmsnorm_back_c,
        .conv_back = conv_back_c,
        .mul_add = mul_add_c,
        .gate = gate_c,
        .gate_back = gate_back_c,
        .swiglu = swiglu_c,
        .swiglu_back = swiglu_back_c,
        .add = add_c,
        .logsumexp = logsumexp_c,
        .softmax = kern_softmax_c,
        .sum_abs = sum_abs_c,
        .sum_sq = sum_sq_c,
        .quantise = quantise_c,
        .adamw = adamw_c,
    };
    kern_exact_c(&k->exact);
    k->conv = k->exact.conv; /* what is exact is bounded too */
#if defined(__x86_64__)
    kern_x86(k, level->features);
#endif
}
