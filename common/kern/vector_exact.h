/* vector_exact.h - exact operations of inference, written once over a vector type.
 *
 * Not a header in the usual sense: avx2_exact.c and avx512_exact.c define `vec` of WIDTH
 * floats and the v_ functions on it, HEAD_VECS, HEAD_TILE_VECS and HEAD_TILE_ROWS (below), then
 * include this file. Contracts: exact.h. Every lane computes what plain C computes, by the same
 * operations in the same order; so nothing here may use v_fma, v_reciprocal or v_exp_below. */

#include <string.h>

#include "kern/vector_math.h"

/* ---- the head -------------------------------------------------------------------------------- */

/* A panel is HEAD_VECS vectors of rows, [cols][HEAD_PANEL] in the type stored. One token takes a
 * whole panel at a time: as many sums as hide the latency of an addition. More tokens take
 * HEAD_TILE_ROWS of them by HEAD_TILE_VECS vectors.
 *
 * Where bytes become floats slowly, a file defines HEAD_WIDE_Q8: then a Q8 weight takes two bytes,
 * the upper half of its float, which holds all of it. Lanes of two vectors share a word, the first
 * one's in the lower half. */
#define HEAD_PANEL ((size_t)HEAD_VECS * WIDTH)
#define HEAD_AHEAD 2048 /* bytes: panels lie in a row, but no prefetcher crosses a page */

#if defined(HEAD_WIDE_Q8)
enum { HEAD_Q8_BYTES = 2 };
#else
enum { HEAD_Q8_BYTES = 1 };
#endif

INLINE size_t head_weight_bytes(const enum number_type type)
{
    return type == NUMBER_Q8 ? (size_t)HEAD_Q8_BYTES : number_bytes(type);
}

static size_t exact_head_bytes(enum number_type type, size_t rows, size_t cols)
{
    return DIV_UP(rows, HEAD_PANEL) * HEAD_PANEL * cols * head_weight_bytes(type);
}

/* `bytes` is a constant where it is inlined. */
INLINE void head_pack(const size_t bytes, const unsigned char *w, size_t rows, size_t cols,
                      unsigned char *out)
{
    for (size_t r0 = 0; r0 < rows; r0 += HEAD_PANEL, out += HEAD_PANEL * cols * bytes)
        for (size_t c = 0; c < cols; c++)
            for (size_t r = 0; r < HEAD_PANEL; r++) {
                unsigned char *to = out + (c * HEAD_PANEL + r) * bytes;
                if (r0 + r < rows)
                    memcpy(to, w + ((r0 + r) * cols + c) * bytes, bytes);
                else
                    memset(to, 0, bytes);
            }
}

#if defined(HEAD_WIDE_Q8)
static void head_pack_q8(const int8_t *w, size_t rows, size_t cols, uint32_t *out)
{
    memset(out, 0, exact_head_bytes(NUMBER_Q8, rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += HEAD_PANEL, out += HEAD_PANEL / 2 * cols)
        for (size_t r = 0; r < MIN(rows - r0, HEAD_PANEL); r++) {
            uint32_t *word = out + r / (2 * WIDTH) * WIDTH + r % WIDTH;
            for (size_t c = 0; c < cols; c++, word += HEAD_PANEL / 2) {
                float weight = w[(r0 + r) * cols + c];
                uint32_t bits;
                memcpy(&bits, &weight, sizeof bits);
                *word |= r / WIDTH % 2 ? bits : bits >> 16;
            }
        }
}

/* The vector that begins at weight `at`. */
INLINE vec head_load_q8(const unsigned char *w, size_t at)
{
    const uint32_t *word = (const uint32_t *)(const void *)w + at / (2 * WIDTH) * WIDTH;
    return at / WIDTH % 2 ? v_upper_halves(word) : v_lower_halves(word);
}
#else
static void head_pack_q8(const int8_t *w, size_t rows, size_t cols, void *out)
{
    head_pack(1, (const unsigned char *)w, rows, cols, out);
}

INLINE vec head_load_q8(const unsigned char *w, size_t at)
{
    return v_load_q8((const int8_t *)w + at);
}
#endif

static void exact_head_pack(enum number_type type, const void *w, size_t rows, size_t cols,
                            void *packed)
{
    switch (type) {
    case NUMBER_F32:
        head_pack(4, w, rows, cols, packed);
        break;
    case NUMBER_F16:
        head_pack(2, w, rows, cols, packed);
        break;
    default:
        head_pack_q8(w, rows, cols, packed);
        break;
    }
}

INLINE vec head_load(const enum number_type type, const unsigned char *w, size_t at)
{
    return type == NUMBER_F32   ? v_load((const float *)w + at)
           : type == NUMBER_F16 ? v_load_f16((const uint16_t *)w + at)
                                : head_load_q8(w, at);
}

/* `tokens` rows of y, `vecs` vectors of at most `rows` numbers; both constants where inlined. */
INLINE void head_tile(const enum number_type type, const size_t tokens, const size_t vecs,
                      const unsigned char *w, const float *w_scale, size_t rows, size_t cols,
                      const float *x, size_t x_stride, float *y, size_t y_stride)
{
    const size_t line = HEAD_PANEL * head_weight_bytes(type);
    vec sum[HEAD_TILE_ROWS][HEAD_VECS];
    for (size_t i = 0; i < tokens; i++)
        for (size_t j = 0; j < vecs; j++)
            sum[i][j] = v_set(0.0f);
    for (size_t c = 0; c < cols; c++, w += line) {
        vec xc[HEAD_TILE_ROWS];
        for (size_t i = 0; i < tokens; i++)
            xc[i] = v_set(x[i * x_stride + c]);
        for (size_t at = 0; at < vecs * WIDTH * head_weight_bytes(type); at += 64)
            __builtin_prefetch(w + HEAD_AHEAD + at);
        for (size_t j = 0; j < vecs; j++) {
            vec wj = head_load(type, w, j * WIDTH);
            for (size_t i = 0; i < tokens; i++)
                sum[i][j] = v_add(sum[i][j], v_mul(wj, xc[i]));
        }
    }
    for (size_t j = 0; j < vecs && j * WIDTH < rows; j++) {
        size_t have = rows - j * WIDTH;
        for (size_t i = 0; i < tokens; i++) {
            if (type == NUMBER_Q8)
                sum[i][j] = v_mul(sum[i][j], load_up_to(w_scale + j * WIDTH, have));
            store_up_to(y + i * y_stride + j * WIDTH, sum[i][j], have);
        }
    }
}

/* The scales of the rows from r on; only Q8 has any. */
INLINE const float *head_scales(const enum number_type type, const float *w_scale, size_t r)
{
    return type == NUMBER_Q8 ? w_scale + r : NULL;
}

/* Calls f, which is inline, with the type as a constant: each gets code of its own. */
#define BY_TYPE(f, type, ...)           \
    do {                                \
        switch (type) {                 \
        case NUMBER_F32:                \
            f(NUMBER_F32, __VA_ARGS__); \
            break;                      \
        case NUMBER_F16:                \
            f(NUMBER_F16, __VA_ARGS__); \
            break;                      \
        default:                        \
            f(NUMBER_Q8, __VA_ARGS__);  \
            break;                      \
        }                               \
    } while (0)

INLINE void head_typed(const enum number_type type, const unsigned char *w, const float *w_scale,
                       size_t rows, size_t cols, size_t m, const float *x, size_t x_stride,
                       float *y, size_t y_stride)
{
    const size_t part = (size_t)HEAD_TILE_VECS * WIDTH;
    const size_t bytes = head_weight_bytes(type);
    for (size_t r0 = 0; r0 < rows; r0 += HEAD_PANEL, w += HEAD_PANEL * cols * bytes) {
        size_t i = 0;
        for (; i + HEAD_TILE_ROWS <= m; i += HEAD_TILE_ROWS)
            for (size_t r = r0; r < MIN(rows, r0 + HEAD_PANEL); r += part)
                head_tile(type, HEAD_TILE_ROWS, HEAD_TILE_VECS, w + (r - r0) * bytes,
                          head_scales(type, w_scale, r), rows - r, cols, x + i * x_stride, x_stride,
                          y + i * y_stride + r, y_stride);
        for (; i < m; i++)
            head_tile(type, 1, HEAD_VECS, w, head_scales(type, w_scale, r0), rows - r0, cols,
                      x + i * x_stride, 0, y + i * y_stride + r0, 0);
    }
}

static void exact_head(enum number_type type, const void *packed, const float *w_scale, size_t rows,
                       size_t cols, size_t m, const float *x, size_t x_stride, float *y,
                       size_t y_stride)
{
    BY_TYPE(head_typed, type, packed, w_scale, rows, cols, m, x, x_stride, y, y_stride);
}

/* ---- single rows of the head ----------------------------------------------------------------- */

enum {
    ROWS_TOGETHER = 8, /* sums that hide the latency of an addition */
    ROWS_COLS = 64     /* columns made floats at a time */
};

/* ROWS_COLS numbers, or `count` of them and then zeros, as floats. */
INLINE void rows_floats(const enum number_type type, const unsigned char *w, size_t count, float *v)
{
    _Alignas(64) unsigned char last[ROWS_COLS * sizeof(float)];
    if (count < ROWS_COLS) { /* nothing beyond the end may be read */
        memset(last, 0, sizeof last);
        memcpy(last, w, count * number_bytes(type));
        w = last;
    }
    for (size_t c = 0; c < ROWS_COLS; c += WIDTH)
        v_store(v + c, type == NUMBER_F32   ? v_load((const float *)(const void *)w + c)
                       : type == NUMBER_F16 ? v_load_f16((const uint16_t *)(const void *)w + c)
                                            : v_load_q8((const int8_t *)w + c));
}

INLINE void rows_typed(const enum number_type type, const unsigned char *w, const float *w_scale,
                       size_t cols, const uint16_t *ids, size_t n, const float *x, float *y)
{
    float v[ROWS_TOGETHER][ROWS_COLS];
    for (size_t j = 0; j < n; j += ROWS_TOGETHER) {
        float sum[ROWS_TOGETHER] = {0};
        size_t have = MIN(n - j, (size_t)ROWS_TOGETHER); /* after them, the last one again */
        for (size_t c = 0; c < cols; c += ROWS_COLS) {
            size_t count = MIN(cols - c, (size_t)ROWS_COLS);
            for (size_t r = 0; r < ROWS_TOGETHER; r++)
                rows_floats(type, w + (ids[j + MIN(r, have - 1)] * cols + c) * number_bytes(type),
                            count, v[r]);
            for (size_t i = 0; i < count; i++)
                for (size_t r = 0; r < ROWS_TOGETHER; r++)
                    sum[r] += v[r][i] * x[c + i];
        }
        for (size_t r = 0; r < have; r++)
            y[j + r] = type == NUMBER_Q8 ? sum[r] * w_scale[ids[j + r]] : sum[r];
    }
}

static void exact_rows(enum number_type type, const void *w, const float *w_scale, size_t cols,
                       const uint16_t *ids, size_t n, const float *x, float *y)
{
    BY_TYPE(rows_typed, type, w, w_scale, cols, ids, n, x, y);
}

/* ---- between the products -------------------------------------------------------------------- */

static void exact_rmsnorm(const float *x, const float *scale, size_t n, float eps, float *y)
{
    vec lane[KERN_LANES / WIDTH];
    size_t at = 0;
    for (size_t j = 0; j < KERN_LANES / WIDTH; j++)
        lane[j] = v_set(0.0f);
    for (; at + KERN_LANES <= n; at += KERN_LANES)
        for (size_t j = 0; j < KERN_LANES / WIDTH; j++) {
            vec v = v_load(x + at + j * WIDTH);
            lane[j] = v_add(lane[j], v_mul(v, v));
        }
    for (size_t j = 0; at < n; at += WIDTH, j++) { /* what is masked out adds +0 to a sum >= 0 */
        vec v = v_load_mask(x + at, v_mask(MIN(n - at, (size_t)WIDTH)));
        lane[j] = v_add(lane[j], v_mul(v, v));
    }
    for (size_t half = KERN_LANES / WIDTH / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] = v_add(lane[j], lane[j + half]);
    vec r = v_set(1.0f / sqrtf(v_sum(lane[0]) / (float)n + eps));
#define BODY(load, store) store(y + i, v_mul(v_mul(load(x + i), r), load(scale + i)))
    FOR_VECTORS(n, BODY);
#undef BODY
}

/* Four vectors at a time, which hide the latency of an addition. */
static void exact_conv(const float *v, size_t back, const float *taps, size_t n_taps, size_t n,
                       float *y)
{
    const float *first = v - (n_taps - 1) * back;
    size_t c = 0;
    for (; c + 4 * WIDTH <= n; c += 4 * WIDTH) {
        vec sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
        for (size_t t = 0; t < n_taps; t++)
            for (size_t j = 0; j < 4; j++)
                sum[j] = v_add(sum[j], v_mul(v_load(taps + t * n + c + j * WIDTH),
                                             v_load(first + t * back + c + j * WIDTH)));
        for (size_t j = 0; j < 4; j++)
            v_store(y + c + j * WIDTH, sum[j]);
    }
    for (; c < n; c += WIDTH) {
        vmask have = v_mask(MIN(n - c, (size_t)WIDTH));
        vec sum = v_set(0.0f);
        for (size_t t = 0; t < n_taps; t++)
            sum = v_add(sum, v_mul(v_load_mask(taps + t * n + c, have),
                                   v_load_mask(first + t * back + c, have)));
        v_store_mask(y + c, sum, have);
    }
}

static void exact_gate(const float *c, const float *g, size_t n, float *u)
{
#define BODY(load, store) store(u + i, v_mul(load(c + i), v_sigmoid_exact(load(g + i))))
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void exact_swiglu(const float *a, const float *b, size_t n, float *h)
{
#define BODY(load, store)                                                 \
    do {                                                                  \
        vec ai = load(a + i);                                             \
        store(h + i, v_mul(v_mul(ai, v_sigmoid_exact(ai)), load(b + i))); \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
}

INLINE void exact_install(struct kern_exact *k)
{
    k->float_head_panel = HEAD_PANEL;
    k->float_head_bytes = exact_head_bytes;
    k->float_head_pack = exact_head_pack;
    k->float_head = exact_head;
    k->float_rows = exact_rows;
    k->rmsnorm = exact_rmsnorm;
    k->conv = exact_conv;
    k->gate = exact_gate;
    k->swiglu = exact_swiglu;
}
