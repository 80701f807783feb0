/* exact.c - the arithmetic of inference in plain C: the reference of every level. Packed weights
 * are, here, signed bytes by rows for int8; for floats, panels of PANEL rows that lie beside each
 * other, so that a loop over them is a vector. */
#include "kern/exact.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/fmath.h"

enum {
    PANEL = 16,
    GROUP = 3,   /* columns whose signed sums are looked up */
    GROUPS = 64, /* groups at a time: their sums stay in the first-level cache */
    SUMS = 27
};

/* ---- int8 ------------------------------------------------------------------------------------ */

static uint32_t magnitude_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

static void int8_round_c(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    uint32_t bits = 0;
    float most;
    for (size_t i = 0; i < n; i++)
        bits = MAX(bits, magnitude_bits(x[i])); /* as whole numbers: NaN is above infinity */
    memcpy(&most, &bits, sizeof most);
    memset(q, 0, ALIGN_UP(n, (size_t)KERN_INT8_ALIGN));
    *row = (struct kern_int8_row){.scale = 0};
    if (bits >= 0x7f800000)
        row->scale = NAN;
    if (bits >= 0x7f800000 || most < 1e-30f)
        return;
    float factor = 127.0f / most;
    row->scale = most / 127.0f;
    for (size_t i = 0; i < n; i++) {
        float t = (x[i] * factor + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: rounds half to even */
        q[i] = (int8_t)t;
        row->sum += q[i];
    }
}

static size_t int8_row_bytes(size_t cols)
{
    return ALIGN_UP(cols, (size_t)KERN_INT8_ALIGN);
}

static size_t int8_bytes_c(size_t rows, size_t cols)
{
    return rows * int8_row_bytes(cols);
}

static void int8_tern_pack_c(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    memset(packed, 0, int8_bytes_c(rows, cols));
    for (size_t r = 0; r < rows; r++, codes += DIV_UP(cols, 4)) {
        int8_t *out = (int8_t *)packed + r * int8_row_bytes(cols);
        for (size_t c = 0; c < cols; c++)
            out[c] = (int8_t)((codes[c / 4] >> 2 * (c % 4) & 3) - 1);
    }
}

static void int8_head_pack_c(const int8_t *w, size_t rows, size_t cols, void *packed)
{
    memset(packed, 0, int8_bytes_c(rows, cols));
    for (size_t r = 0; r < rows; r++)
        memcpy((int8_t *)packed + r * int8_row_bytes(cols), w + r * cols, cols);
}

static int32_t int8_dot(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (int16_t)a[i] * (int16_t)b[i];
    return sum;
}

static void int8_tern_c(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                        const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                        size_t y_stride)
{
    size_t row_bytes = int8_row_bytes(cols);
    for (size_t i = 0; i < m; i++, q += q_stride, y += y_stride) {
        float factor = alpha * row[i].scale;
        for (size_t r = 0; r < rows; r++)
            y[r] = (float)int8_dot((const int8_t *)packed + r * row_bytes, q, row_bytes) * factor;
    }
}

static void int8_head_c(const void *packed, const float *w_scale, size_t rows, size_t cols,
                        size_t m, const int8_t *q, size_t q_stride, const struct kern_int8_row *row,
                        float *y, size_t y_stride)
{
    size_t row_bytes = int8_row_bytes(cols);
    for (size_t i = 0; i < m; i++, q += q_stride, y += y_stride)
        for (size_t r = 0; r < rows; r++) {
            int32_t sum = int8_dot((const int8_t *)packed + r * row_bytes, q, row_bytes);
            y[r] = (float)sum * row[i].scale * w_scale[r];
        }
}

static double int8_spin_c(size_t n)
{
    int8_t x[1024];
    volatile int32_t sum = 0;
    memset(x, 1, sizeof x);
    for (size_t i = 0; i < n; i++)
        sum = sum + int8_dot(x, x, sizeof x);
    return (double)n * (double)sizeof x;
}

/* ---- float activations ----------------------------------------------------------------------- */

static size_t float_tern_bytes_c(size_t rows, size_t cols)
{
    return ALIGN_UP(rows, (size_t)PANEL) * DIV_UP(cols, (size_t)GROUP);
}

/* A byte for three codes, c0 + 3 c1 + 9 c2: for each panel, groups of columns, rows. */
static void float_tern_pack_c(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    size_t groups = DIV_UP(cols, (size_t)GROUP);
    uint8_t *out = packed;
    memset(out, SUMS / 2, float_tern_bytes_c(rows, cols));
    for (size_t r = 0; r < rows; r++, codes += DIV_UP(cols, 4)) {
        uint8_t *panel = out + r / PANEL * PANEL * groups + r % PANEL;
        for (size_t g = 0; g < groups; g++) {
            unsigned index = 0;
            for (size_t i = GROUP; i-- > 0;) {
                size_t c = g * GROUP + i;
                index = 3 * index + (c < cols ? (unsigned)codes[c / 4] >> 2 * (c % 4) & 3 : 1);
            }
            panel[g * PANEL] = (uint8_t)index;
        }
    }
}

/* The signed sums of three activations, some of which may lie beyond the end. */
static void signed_sums(const float *x, size_t n, float sums[SUMS])
{
    float term[GROUP][3] = {{0}};
    for (size_t i = 0; i < MIN(n, (size_t)GROUP); i++) {
        term[i][0] = -x[i];
        term[i][2] = x[i];
    }
    for (size_t i = 0; i < SUMS; i++)
        sums[i] = (term[0][i % 3] + term[1][i / 3 % 3]) + term[2][i / 9];
}

static void add_panel(const uint8_t *index, size_t n_groups, float sums[][SUMS], float acc[PANEL])
{
    for (size_t g = 0; g < n_groups; g++, index += PANEL)
        for (size_t r = 0; r < PANEL; r++)
            acc[r] += sums[g][index[r]];
}

static void float_tern_c(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                         const float *x, size_t x_stride, float *y, size_t y_stride)
{
    float sums[GROUPS][SUMS];
    size_t groups = DIV_UP(cols, (size_t)GROUP);
    for (size_t i = 0; i < m; i++, x += x_stride, y += y_stride)
        for (size_t g0 = 0; g0 < groups; g0 += GROUPS) {
            size_t n = MIN(groups - g0, (size_t)GROUPS);
            float factor = g0 + n == groups ? alpha : 1.0f;
            for (size_t g = 0; g < n; g++)
                signed_sums(x + GROUP * (g0 + g), cols - GROUP * (g0 + g), sums[g]);
            for (size_t r0 = 0; r0 < rows; r0 += PANEL) {
                size_t n_rows = MIN(rows - r0, (size_t)PANEL);
                float acc[PANEL] = {0};
                if (g0 > 0)
                    memcpy(acc, y + r0, n_rows * sizeof *acc);
                add_panel((const uint8_t *)packed + r0 * groups + g0 * PANEL, n, sums, acc);
                for (size_t r = 0; r < n_rows; r++)
                    y[r0 + r] = acc[r] * factor;
            }
        }
}

static size_t float_head_bytes_c(enum number_type type, size_t rows, size_t cols)
{
    (void)type;
    return ALIGN_UP(rows, (size_t)PANEL) * cols * sizeof(float);
}

/* Every type as floats, which is exact; a Q8 row keeps its scale for the sum. */
static void float_head_pack_c(enum number_type type, const void *w, size_t rows, size_t cols,
                              void *packed)
{
    const unsigned char *source = w;
    float *out = packed;
    memset(out, 0, float_head_bytes_c(type, rows, cols));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++, source += number_bytes(type))
            number_read(type, source, 1, 1, out + r / PANEL * PANEL * cols + c * PANEL + r % PANEL);
}

static void float_head_c(enum number_type type, const void *packed, const float *w_scale,
                         size_t rows, size_t cols, size_t m, const float *x, size_t x_stride,
                         float *y, size_t y_stride)
{
    for (size_t r0 = 0; r0 < rows; r0 += PANEL)
        for (size_t i = 0; i < m; i++) {
            const float *w = (const float *)packed + r0 * cols;
            float acc[PANEL] = {0};
            for (size_t c = 0; c < cols; c++, w += PANEL)
                for (size_t r = 0; r < PANEL; r++)
                    acc[r] += w[r] * x[i * x_stride + c];
            for (size_t r = 0; r < MIN(rows - r0, (size_t)PANEL); r++)
                y[i * y_stride + r0 + r] = type == NUMBER_Q8 ? acc[r] * w_scale[r0 + r] : acc[r];
        }
}

static void float_rows_c(enum number_type type, const void *w, const float *w_scale, size_t cols,
                         const uint16_t *ids, size_t n, const float *x, float *y)
{
    enum { AT_ONCE = 64 };
    const size_t bytes = number_bytes(type);
    float v[AT_ONCE];
    for (size_t j = 0; j < n; j++) {
        const unsigned char *row = (const unsigned char *)w + ids[j] * cols * bytes;
        float sum = 0;
        for (size_t c = 0; c < cols; c += AT_ONCE) {
            size_t count = MIN(cols - c, (size_t)AT_ONCE);
            number_read(type, row + c * bytes, 1, count, v);
            for (size_t i = 0; i < count; i++)
                sum += v[i] * x[c + i];
        }
        y[j] = type == NUMBER_Q8 ? sum * w_scale[ids[j]] : sum;
    }
}

/* ---- between the products -------------------------------------------------------------------- */

static float fold(float lane[KERN_LANES])
{
    for (size_t half = KERN_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static void rmsnorm_c(const float *x, const float *scale, size_t n, float eps, float *y)
{
    float lane[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % KERN_LANES] += x[i] * x[i];
    float r = 1.0f / sqrtf(fold(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * r * scale[i];
}

static void conv_c(const float *v, size_t back, const float *taps, size_t n_taps, size_t n,
                   float *y)
{
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n_taps; i++) {
        const float *row = v - (n_taps - 1 - i) * back;
        for (size_t c = 0; c < n; c++)
            y[c] += taps[i * n + c] * row[c];
    }
}

/* Not inlined: where e^-x is known to be 0, a compiler takes a product with 1 for a copy, which a
 * denormal number survives even where the processor would flush it. */
static __attribute__((noinline)) float sigmoid(float x)
{
    return 1.0f / (1.0f + fmath_expf(-x));
}

static void gate_c(const float *c, const float *g, size_t n, float *u)
{
    for (size_t i = 0; i < n; i++)
        u[i] = c[i] * sigmoid(g[i]);
}

static void swiglu_c(const float *a, const float *b, size_t n, float *h)
{
    for (size_t i = 0; i < n; i++)
        h[i] = a[i] * sigmoid(a[i]) * b[i];
}

static void attend_c(const struct kern_attend *a)
{
    float lane[KERN_LANES] = {0};
    float *w = a->weights;
    float most = -INFINITY;
    for (size_t j = 0; j < a->n; j++) {
        float sum = 0;
        for (size_t c = 0; c < a->key_width; c++)
            sum += a->query[c] * a->keys[c * a->key_stride + j];
        w[j] = sum * a->scale + a->bias[j];
        most = w[j] > most ? w[j] : most;
    }
    for (size_t j = 0; j < a->n; j++) {
        w[j] = fmath_expf(w[j] - most);
        lane[j % KERN_LANES] += w[j];
    }
    float factor = 1.0f / fold(lane);
    for (size_t c = 0; c < a->value_width; c++) {
        float sum[4] = {0};
        for (size_t j = 0; j < a->n; j++)
            sum[j % 4] += w[j] * a->values[j * a->value_stride + c];
        a->out[c] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * factor;
    }
}

/* ---- over the logits ------------------------------------------------------------------------- */

static void exp_c(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmath_expf(x[i]);
}

static float logsumexp_c(const float *x, size_t n)
{
    float lane[KERN_LANES] = {0};
    float most = x[0];
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        lane[i % KERN_LANES] += fmath_expf(x[i] - most);
    return most + (float)fmath_log((double)fold(lane));
}

static size_t argmax_c(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best] || isnan(x[best]) > isnan(x[i]))
            best = i;
    return best;
}

/* The bound is the k-th largest of the maxima of up to GROUPS parts or, if k is more, the least
 * number. */
static size_t largest_c(const float *x, size_t n, size_t k, uint16_t *ids)
{
    float most[GROUPS * 4];
    size_t n_parts = MIN(n, ARRAY_LEN(most));
    float bound = -INFINITY;
    size_t count = 0;
    assert(n <= 65536 && k <= n);
    for (size_t p = 0; p < n_parts; p++) {
        most[p] = -INFINITY;
        for (size_t i = p; i < n; i += n_parts)
            most[p] = x[i] > most[p] ? x[i] : most[p];
    }
    for (size_t i = 0; i < k && k <= n_parts; i++) { /* the k largest to the front, in order */
        size_t best = i;
        for (size_t p = i + 1; p < n_parts; p++)
            best = most[p] > most[best] ? p : best;
        bound = most[best];
        most[best] = most[i];
    }
    for (size_t i = 0; i < n; i++)
        if (!(x[i] < bound) && !(isnan(x[i]) && bound > -INFINITY))
            ids[count++] = (uint16_t)i;
    return count;
}

static size_t reaching_c(const float *x, size_t n, float a, const float *s, float b, const float *t,
                         float bound, uint16_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i] + (a * s[i] + b * t[i]) >= bound)
            ids[count++] = (uint16_t)i;
    return count;
}

void kern_exact_c(struct kern_exact *k)
{
    *k = (struct kern_exact){
        .int8_round = int8_round_c,
        .int8_tern_panel = 1,
        .int8_tern_bytes = int8_bytes_c,
        .int8_tern_pack = int8_tern_pack_c,
        .int8_tern = int8_tern_c,
        .int8_head_panel = 1,
        .int8_head_bytes = int8_bytes_c,
        .int8_head_pack = int8_head_pack_c,
        .int8_head = int8_head_c,
        .int8_spin = int8_spin_c,
        .float_tern_panel = PANEL,
        .float_tern_bytes = float_tern_bytes_c,
        .float_tern_pack = float_tern_pack_c,
        .float_tern = float_tern_c,
        .float_head_panel = PANEL,
        .float_head_bytes = float_head_bytes_c,
        .float_head_pack = float_head_pack_c,
        .float_head = float_head_c,
        .float_rows = float_rows_c,
        .rmsnorm = rmsnorm_c,
        .conv = conv_c,
        .gate = gate_c,
        .swiglu = swiglu_c,
        .attend = attend_c,
        .exp = exp_c,
        .logsumexp = logsumexp_c,
        .argmax = argmax_c,
        .largest = largest_c,
        .reaching = reaching_c,
    };
}
