/* tern.h - absmean quantisation of BitLinear weights (Ma et al. 2024, arXiv 2402.17764, eq. 1-3):
 *
 *   alpha = mean |w|,   q = clamp(round_half_even(w / (alpha + 1e-8)), -1, 1),   weight = q * alpha
 */
#ifndef TERN_H
#define TERN_H

#include "kern/kern.h"

/* mean |w| over n floats; fixed order of summation, the same bits on every level and thread count.
 */
float tern_alpha(const struct kern *k, const float *w, size_t n);

/* out[i] = q(w[i]) * alpha; NaN where alpha is not finite, since some w of the matrix is not. */
void tern_quantise(const struct kern *k, const float *w, size_t n, float alpha, float *out);

/* Packs rows x cols floats by the sign of q(w) into codes (layout of model.h), pad codes 1. */
void tern_pack(const float *w, size_t rows, size_t cols, float alpha, uint8_t *codes);

/* The same for weights that are alpha * {-1, 0, 1} already; *alpha gets their largest magnitude.
 * False if any weight is something else. */
bool tern_pack_exact(const float *w, size_t rows, size_t cols, float *alpha, uint8_t *codes);

/* out[r][c] = alpha * (code - 1). */
void tern_unpack(const uint8_t *codes, size_t rows, size_t cols, float alpha, float *out);

#endif
