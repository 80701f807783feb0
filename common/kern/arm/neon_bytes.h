/* neon_bytes.h - what int8 products with and without sdot share: rounding, and the end of a sum.
 * The file that includes it has sum_panel. */
#ifndef ARM_NEON_BYTES_H
#define ARM_NEON_BYTES_H

#include "kern/arm/neon.h"
typedef int32x4_t ivec; /* WIDTH lanes of 32 bits */

#include "kern/keep.h"
#include "kern/vector_int8.h"

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

INLINE ivec tern_sum(const ivec sum[QUARTERS], size_t j)
{
    return sum[j];
}

INLINE vec float_sums(ivec sum, int32_t offset)
{
    return vcvtq_f32_s32(vsubq_s32(sum, vdupq_n_s32(offset)));
}

#endif
