/* neon_bytes.h - what int8 products with and without sdot share: rounding, and the end of a sum.
 * The file that includes it has sum_tern and sum_head. */
#ifndef ARM_NEON_BYTES_H
#define ARM_NEON_BYTES_H

#include "kern/arm/neon.h"
#include "kern/keep.h"
#include "kern/vector_int8.h"

typedef int32x4_t ivec; /* WIDTH lanes of 32 bits */

/* n numbers, 0 beyond them. */
INLINE vec load_some(const float *x, size_t n)
{
    return n >= WIDTH ? v_load(x) : v_load_mask(x, n);
}

static void op_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < n; i += WIDTH)
        most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(load_some(x + i, n - i)),
                                         vdupq_n_u32(0x7fffffff)));
    float factor;
    memset(q, 0, ALIGN_UP(n, (size_t)KERN_INT8_ALIGN));
    if (!begin_row(vmaxvq_u32(most), row, &factor))
        return;
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t i = 0; i < n; i += WIDTH) {
        int32x4_t whole = vcvtnq_s32_f32(v_mul(load_some(x + i, n - i), v_set(factor)));
        int16x4_t half = vmovn_s32(whole);
        int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
        sum = vaddq_s32(sum, whole);
        memcpy(q + i, &bytes, WIDTH);
    }
    row->sum = vaddvq_s32(sum);
}

INLINE void sum_tern(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS]);
INLINE void sum_head(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS]);

INLINE void one_panel(bool ternary, size_t M, const struct product *p, const uint8_t *w, size_t r0,
                      size_t i0)
{
    ivec sum[MOST_ROWS][QUARTERS];
    size_t n = p->rows - r0;
    const int8_t *q = p->q + i0 * p->q_stride;
    if (ternary)
        sum_tern(M, w, p->steps, q, p->q_stride, sum);
    else
        sum_head(M, w, p->steps, q, p->q_stride, sum);
#pragma GCC unroll 4
    for (size_t i = 0; i < M; i++) {
        const struct kern_int8_row *row = &p->row[i0 + i];
        float *y = p->y + (i0 + i) * p->y_stride + r0;
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            if (j * WIDTH >= n)
                break;
            size_t have = MIN(n - j * WIDTH, (size_t)WIDTH);
            ivec whole = ternary ? vsubq_s32(sum[i][j], vdupq_n_s32(row->sum)) : sum[i][j];
            vec v =
                v_mul(vcvtq_f32_s32(whole), v_set(ternary ? p->alpha * row->scale : row->scale));
            if (!ternary)
                v = v_mul(v, load_some(p->w_scale + r0 + j * WIDTH, have));
            if (have == WIDTH)
                v_store(y + j * WIDTH, v);
            else
                v_store_mask(y + j * WIDTH, v, have);
        }
    }
}

#endif
