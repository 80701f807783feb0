/* vector_int8.h - int8 products with weights rearranged for vectors of WIDTH 32-bit lanes; included
 * by the files of the instruction sets. Before it they define their vector type (vector.h); ivec,
 * the same lanes as 32-bit integers; MOST_ROWS, the rows of q that go through together, so that a
 * weight is loaded once for all of them, and EACH_ROWS, a list of 1 to MOST_ROWS; HEAD_FLIP, and
 * HEAD_OFFSET(row, q, steps), what is too much in their sums of the head. After it they define what
 * is declared here without a body.
 *
 * A panel is 4 WIDTH rows, which lie beside each other; row r of it is lane r % WIDTH of its
 * quarter r / WIDTH. Columns come in steps of four, which share a lane: one 32-bit word of q,
 * broadcast, meets the same four columns of every row. So no sum runs across lanes.
 *
 * - ternary: a step is one vector, byte c of a lane holds the codes of column c for the lane's four
 * rows, quarter i in bits 2i and 2i + 1:
 *
 *       lane l of a step                    a byte of it: one column
 *       [column 0 | 1 | 2 | 3]              bits 76        54        32       10
 *                                           row 3W + l    2W + l    W + l     l
 *
 * - head: a step is four vectors, one a quarter, of signed bytes xor those of HEAD_FLIP.
 *
 * Columns are padded to whole groups of steps, where q is zero; rows to whole panels. */
#ifndef VECTOR_INT8_H
#define VECTOR_INT8_H

#include <math.h>
#include <string.h>

#include "kern/exact.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    QUARTERS = 4,
    PANEL = QUARTERS * WIDTH,
    STEP = 4,       /* columns of a step */
    GROUP_COLS = 16 /* columns are padded to a multiple of this, at most KERN_INT8_ALIGN */
};

INLINE size_t n_steps(size_t cols)
{
    return ALIGN_UP(cols, (size_t)GROUP_COLS) / STEP;
}

/* ---- rounding -------------------------------------------------------------------------------- */

/* Begins a row whose largest magnitude has these bits (as whole numbers: NaN is above infinity);
 * false if all of q is zero, else *factor is what x is multiplied by. */
INLINE bool begin_row(uint32_t bits, struct kern_int8_row *row, float *factor)
{
    float most;
    bool finite = bits < 0x7f800000;
    memcpy(&most, &bits, sizeof most);
    *row = (struct kern_int8_row){.scale = finite ? 0 : NAN};
    if (!finite || most < 1e-30f)
        return false;
    row->scale = most / 127.0f;
    *factor = 127.0f / most;
    return true;
}

/* ---- packing --------------------------------------------------------------------------------- */

static size_t op_tern_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)PANEL) * n_steps(cols) * WIDTH * STEP;
}

static size_t op_head_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)PANEL) * n_steps(cols) * PANEL * STEP;
}

/* The four codes of a byte, each in a byte of its own. */
INLINE uint32_t spread(uint32_t codes)
{
    return (codes & 0x03) | (codes & 0x0c) << 6 | (codes & 0x30) << 12 | (codes & 0xc0) << 18;
}

static void op_tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    size_t row_bytes = DIV_UP(cols, (size_t)STEP);
    uint32_t *out = packed;
    memset(packed, 0, op_tern_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += PANEL, out += n_steps(cols) * WIDTH)
        for (size_t r = r0; r < MIN(rows, r0 + PANEL); r++) {
            uint32_t *lane = out + (r - r0) % WIDTH;
            size_t shift = 2 * ((r - r0) / WIDTH);
            for (size_t s = 0; s < row_bytes; s++)
                lane[s * WIDTH] |= spread(codes[r * row_bytes + s]) << shift;
        }
}

static void op_head_pack(const int8_t *w, size_t rows, size_t cols, void *packed)
{
    uint32_t *out = packed;
    memset(packed, 0, op_head_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += PANEL, out += n_steps(cols) * PANEL)
        for (size_t r = r0; r < MIN(rows, r0 + PANEL); r++)
            for (size_t c = 0; c < cols; c += STEP) {
                uint32_t word = 0;
                if (c + STEP <= cols)
                    memcpy(&word, w + r * cols + c, STEP);
                else
                    memcpy(&word, w + r * cols + c, cols - c);
                out[c / STEP * PANEL + r - r0] = word ^ HEAD_FLIP;
            }
}

INLINE int32_t word_of(const int8_t *q)
{
    int32_t word;
    memcpy(&word, q, sizeof word);
    return word;
}

/* ---- products -------------------------------------------------------------------------------- */

enum { PASS_ROWS = 32 /* rows of q for which the weights pass once */ };

struct product {
    size_t rows; /* of weights */
    size_t steps;
    const float *w_scale; /* head */
    const int8_t *q;
    size_t q_stride;
    float *y;
    size_t y_stride;
    int32_t offset[PASS_ROWS]; /* of every row of q: what is too much in its sums */
    float factor[PASS_ROWS];   /* and what they are multiplied by */
};

/* Sums of the products of a panel and M rows of q, in lanes as the two below take them. */
INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS]);

/* The sums of codes in quarter j, and sums less `offset` as floats. */
INLINE ivec tern_sum(const ivec sum[QUARTERS], size_t j);
INLINE vec float_sums(ivec sum, int32_t offset);

INLINE vec load_some(const float *x, size_t n) /* n numbers, 0 beyond them */
{
    return n >= WIDTH ? v_load(x) : v_load_mask(x, v_mask(n));
}

/* Writes up to PANEL results of one row of q; rows beyond n are not touched. */
INLINE void write_quarters(const vec v[QUARTERS], size_t n, float *y)
{
    if (n >= PANEL)
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++)
            v_store(y + j * WIDTH, v[j]);
    else
        for (size_t j = 0; j * WIDTH < n; j++)
            v_store_mask(y + j * WIDTH, v[j], v_mask(MIN(n - j * WIDTH, (size_t)WIDTH)));
}

/* The panel w, whose first row is r0, by the rows [i0, i0 + M) of q. `ternary` and M are constants
 * where it is inlined. */
INLINE void one_panel(bool ternary, size_t M, const struct product *p, const uint8_t *w, size_t r0,
                      size_t i0)
{
    ivec sum[MOST_ROWS][QUARTERS];
    vec w_scale[QUARTERS];
    size_t n = p->rows - r0;
    const int8_t *q = p->q + i0 * p->q_stride;
    sum_panel(ternary, M, w, p->steps, q, p->q_stride, sum);
#pragma GCC unroll 4
    for (size_t j = 0; !ternary && j < QUARTERS; j++)
        w_scale[j] =
            n > j * WIDTH ? load_some(p->w_scale + r0 + j * WIDTH, n - j * WIDTH) : v_set(0);
#pragma GCC unroll 6
    for (size_t i = 0; i < M; i++) {
        const vec factor = v_set(p->factor[i0 + i]);
        vec v[QUARTERS];
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            ivec s = ternary ? tern_sum(sum[i], j) : sum[i][j];
            v[j] = v_mul(float_sums(s, p->offset[i0 + i]), factor);
            if (!ternary)
                v[j] = v_mul(v[j], w_scale[j]);
        }
        write_quarters(v, n, p->y + (i0 + i) * p->y_stride + r0);
    }
}

/* The panels of rows [r0, r1). */
typedef void (*panels)(const struct product *p, const uint8_t *w, size_t r0, size_t r1, size_t i0);

INLINE size_t panel_bytes(bool ternary, const struct product *p)
{
    return p->steps * (ternary ? WIDTH : PANEL) * STEP;
}

INLINE void all_panels(bool ternary, size_t M, const struct product *p, const uint8_t *w, size_t r0,
                       size_t r1, size_t i0)
{
    for (; r0 < r1; r0 += PANEL, w += panel_bytes(ternary, p))
        one_panel(ternary, M, p, w, r0, i0);
}

/* Each count of rows has a function of its own, and the registers to itself. */
#define PANELS(kind, M)                                                                         \
    __attribute__((noinline)) static void kind##_##M(const struct product *p, const uint8_t *w, \
                                                     size_t r0, size_t r1, size_t i0)           \
    {                                                                                           \
        all_panels(panels_are_##kind, M, p, w, r0, r1, i0);                                     \
    }
#define NAME(kind, M) kind##_##M,

enum { panels_are_head = 0, panels_are_tern = 1 };
EACH_ROWS(PANELS, head)
EACH_ROWS(PANELS, tern)
static const panels head_by_rows[MOST_ROWS] = {EACH_ROWS(NAME, head)};
static const panels tern_by_rows[MOST_ROWS] = {EACH_ROWS(NAME, tern)};

/* A panel stays in the first-level cache while the rows of q pass, in groups as even as can be. */
INLINE void multiply(bool ternary, const struct product *p, const uint8_t *w, size_t m)
{
    const panels *by_rows = ternary ? tern_by_rows : head_by_rows;
    size_t groups = DIV_UP(m, (size_t)MOST_ROWS);
    if (groups == 1) {
        by_rows[m - 1](p, w, 0, p->rows, 0);
        return;
    }
    for (size_t r0 = 0; r0 < p->rows; r0 += PANEL, w += panel_bytes(ternary, p))
        for (size_t i0 = 0, left = groups; i0 < m; left--) {
            size_t n = DIV_UP(m - i0, left);
            by_rows[n - 1](p, w, r0, r0 + 1, i0);
            i0 += n;
        }
}

/* Both contracts: int8_tern's alpha, int8_head's w_scale. */
INLINE void multiply_all(bool ternary, const void *packed, const float *w_scale, float alpha,
                         size_t rows, size_t cols, size_t m, const int8_t *q, size_t q_stride,
                         const struct kern_int8_row *row, float *y, size_t y_stride)
{
    struct product p; /* whose arrays need no zeros */
    p.rows = rows;
    p.steps = n_steps(cols);
    p.w_scale = w_scale;
    p.q = q;
    p.q_stride = q_stride;
    p.y = y;
    p.y_stride = y_stride;
    while (m > 0) {
        size_t n = MIN(m, (size_t)PASS_ROWS);
        for (size_t i = 0; i < n; i++) {
            const int8_t *q_row = p.q + i * q_stride;
            (void)q_row; /* some HEAD_OFFSET need not look at it */
            p.offset[i] = ternary ? row[i].sum : HEAD_OFFSET(&row[i], q_row, p.steps);
            p.factor[i] = ternary ? alpha * row[i].scale : row[i].scale;
        }
        multiply(ternary, &p, packed, n);
        p.q += n * q_stride;
        p.y += n * y_stride;
        row += n;
        m -= n;
    }
}

static void op_tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                    const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                    size_t y_stride)
{
    multiply_all(true, packed, NULL, alpha, rows, cols, m, q, q_stride, row, y, y_stride);
}

static void op_head(const void *packed, const float *w_scale, size_t rows, size_t cols, size_t m,
                    const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                    size_t y_stride)
{
    multiply_all(false, packed, w_scale, 1, rows, cols, m, q, q_stride, row, y, y_stride);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The files of the instruction sets have these two. */
static void op_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row);
static double op_spin(size_t n);

static void int8_install(struct kern_exact *k)
{
    k->int8_round = op_round;
    k->int8_tern_panel = PANEL;
    k->int8_tern_bytes = op_tern_bytes;
    k->int8_tern_pack = op_tern_pack;
    k->int8_tern = op_tern;
    k->int8_head_panel = PANEL;
    k->int8_head_bytes = op_head_bytes;
    k->int8_head_pack = op_head_pack;
    k->int8_head = op_head;
    k->int8_spin = op_spin;
}

#endif
