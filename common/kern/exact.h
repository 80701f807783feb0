/* exact.h - the arithmetic of inference: products with packed weights, the operations between them,
 * and those of a sampler. A part of struct kern (kern.h), filled with it.
 *
 * Every operation here is exact: the same bits on every level, for any number of rows at a time and
 * any cut of the weights' rows, whatever the caller's rounding of denormals is (as long as it is
 * the same). Sums run in a written order, multiplications and additions are never fused, divisions
 * and square roots are IEEE 754's, e^x is fmath_expf. Only the bits of a NaN may differ.
 *
 * Weights are rearranged once (the pack functions) into a layout of the level's own: panels of
 * `panel` rows, one after the other, so rows [first, ...) with first a multiple of panel begin at
 * bytes(first, cols). Packed weights are 64-byte aligned and whole panels long; other pointers are
 * aligned to their type only. x has m rows (tokens) of `cols` numbers, y m rows of `rows` floats,
 * row i at x + i * x_stride and y + i * y_stride; y beyond `rows` is untouched and may not overlap
 * what is read. Sizes are at least 1, but bytes(0, cols) is 0. */
#ifndef KERN_EXACT_H
#define KERN_EXACT_H

#include "base/number.h"

/* A row of activations rounded to int8, absmax: x is about q * scale. */
struct kern_int8_row {
    float scale;
    int32_t sum; /* of q */
};

enum { KERN_LANES = 16 }; /* partial sums of a reduction: a part of the written order */

enum { KERN_INT8_ALIGN = 64 }; /* bytes of q in a row are a multiple of this, zero beyond cols */

/* One query of one head and the n >= 1 keys and values it sees, oldest first:
 *   x[j] = (((0 + query[0] keys[0][j]) + query[1] keys[1][j]) + ...) * scale + bias[j]
 *   weights[j] = e^(x[j] - the largest x); S their sum in 16 lanes as rmsnorm's
 *   out[c] = ((s0 + s1) + (s2 + s3)) * (1 / S), s_p = ((0 + weights[p] values[p][c]) +
 *            weights[p + 4] values[p + 4][c]) + ...
 * If an x is no number or infinite, all of out may be NaN. */
struct kern_attend {
    const float *query;  /* [key_width] */
    const float *keys;   /* [key_width][n], rows key_stride apart: a key is a column */
    const float *bias;   /* [n] */
    const float *values; /* [n][value_width], rows value_stride apart */
    size_t n;
    size_t key_width;
    size_t value_width;
    size_t key_stride;
    size_t value_stride;
    float scale;
    float *weights; /* [n], written */
    float *out;     /* [value_width], written */
};

struct kern_exact {
    /* ---- int8 -------------------------------------------------------------------------------- */

    /* q[i] = round_half_even(x[i] * (127 / most)), most being the largest |x|; q is zero from n to
     * ALIGN_UP(n, KERN_INT8_ALIGN). scale = most / 127. All zero where most < 1e-30; where some x
     * is not finite, q is zero and scale NaN. */
    void (*int8_round)(const float *x, size_t n, int8_t *q, struct kern_int8_row *row);

    /* Ternary weights: codes as in model.h (row-major, 4 a byte, DIV_UP(cols, 4) bytes a row).
     * y[i][r] = float(sum over c of (code[r][c] - 1) q[i][c]) * (alpha * row[i].scale). cols <=
     * 32,768, so that the sum is a whole number below 2^23. */
    size_t int8_tern_panel;
    size_t (*int8_tern_bytes)(size_t rows, size_t cols);
    void (*int8_tern_pack)(const uint8_t *codes, size_t rows, size_t cols, void *packed);
    void (*int8_tern)(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                      const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                      size_t y_stride);

    /* The head: weights w [rows][cols], -127..127, times w_scale[rows].
     * y[i][r] = float(sum over c of w[r][c] q[i][c]) * row[i].scale * w_scale[r]. cols <= 8192, so
     * that the sum is a whole number below 2^28, which is rounded to nearest even as a float. */
    size_t int8_head_panel;
    size_t (*int8_head_bytes)(size_t rows, size_t cols);
    void (*int8_head_pack)(const int8_t *w, size_t rows, size_t cols, void *packed);
    void (*int8_head)(const void *packed, const float *w_scale, size_t rows, size_t cols, size_t m,
                      const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                      size_t y_stride);

    /* What the int8 multiply-accumulate instruction can do at best: n rounds of independent ones in
     * registers. Returns the multiply-accumulates done. */
    double (*int8_spin)(size_t n);

    /* ---- float activations ------------------------------------------------------------------- */

    /* Ternary weights, additions and subtractions only: columns in groups of three, from left to
     * right; s_g = (±x0 ± x1) ± x2, a code of 0 giving +0 and columns beyond the end being +0;
     * y[i][r] = ((((0 + s_0) + s_1) + s_2) + ...) * alpha. The sign of a zero among the s does not
     * reach the sum; only where denormals are flushed may it be the sign of a y that is zero, and
     * differ between levels. */
    size_t float_tern_panel;
    size_t (*float_tern_bytes)(size_t rows, size_t cols);
    void (*float_tern_pack)(const uint8_t *codes, size_t rows, size_t cols, void *packed);
    void (*float_tern)(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                       const float *x, size_t x_stride, float *y, size_t y_stride);

    /* The head: weights w [rows][cols] of a number_type, w_scale[rows] for NUMBER_Q8.
     * y[i][r] = (((0 + w[r][0] x[i][0]) + w[r][1] x[i][1]) + ...), every product rounded to float
     * before it is added; for NUMBER_Q8 w is the byte, and the sum is multiplied by w_scale[r]. */
    size_t float_head_panel;
    size_t (*float_head_bytes)(enum number_type type, size_t rows, size_t cols);
    void (*float_head_pack)(enum number_type type, const void *w, size_t rows, size_t cols,
                            void *packed);
    void (*float_head)(enum number_type type, const void *packed, const float *w_scale, size_t rows,
                       size_t cols, size_t m, const float *x, size_t x_stride, float *y,
                       size_t y_stride);

    /* float_head of n >= 1 single rows of w, which lies as it is stored: y[j] is what row ids[j]
     * gives for one row of x. */
    void (*float_rows)(enum number_type type, const void *w, const float *w_scale, size_t cols,
                       const uint16_t *ids, size_t n, const float *x, float *y);

    /* ---- between the products ---------------------------------------------------------------- */

    /* One row: y = (x * r) * scale, r = 1 / sqrt(s / n + eps); s is the sum of x^2 in 16 lanes,
     * lane i adding elements i, i+16, ... from left to right, folded in halves (8, 4, 2, 1). */
    void (*rmsnorm)(const float *x, const float *scale, size_t n, float eps, float *y);

    /* kern.h's conv in one order: y[c] = ((0 + taps[0][c] v_0[c]) + taps[1][c] v_1[c]) + ... */
    void (*conv)(const float *v, size_t back, const float *taps, size_t n_taps, size_t n, float *y);

    /* u = c * (1 / (1 + e^-g)). u may be c or g. */
    void (*gate)(const float *c, const float *g, size_t n, float *u);

    /* h = (a * (1 / (1 + e^-a))) * b. h may be a or b. */
    void (*swiglu)(const float *a, const float *b, size_t n, float *h);

    /* Attention of one query of one head (struct kern_attend). */
    void (*attend)(const struct kern_attend *a);

    /* ---- over the logits --------------------------------------------------------------------- */

    /* y = fmath_expf(x). y may be x. */
    void (*exp)(const float *x, size_t n, float *y);

    /* max + log of the sum of e^(x - max), that sum in 16 lanes as rmsnorm's, its logarithm by
     * fmath_log. NaN stays NaN, infinity becomes NaN. */
    float (*logsumexp)(const float *x, size_t n);

    /* Index of the largest; the lowest of them on a tie. A NaN is below all numbers; where there is
     * nothing else, 0. */
    size_t (*argmax)(const float *x, size_t n);

    /* Writes the indices, ascending, of all x that are at least some bound, which the k-th largest
     * reaches: so the k largest and few others (all of them in the worst case, ids having room for
     * n). A NaN is below all numbers. Returns how many. n <= 65,536, 1 <= k <= n. Which others, a
     * level may choose. */
    size_t (*largest)(const float *x, size_t n, size_t k, uint16_t *ids);

    /* Writes the indices i, ascending, with x[i] + (a s[i] + b t[i]) >= bound, which no NaN is.
     * Returns how many; ids has room for n <= 65,536. */
    size_t (*reaching)(const float *x, size_t n, float a, const float *s, float b, const float *t,
                       float bound, uint16_t *ids);
};

/* Fills every member with plain C. */
void kern_exact_c(struct kern_exact *k);

#endif
