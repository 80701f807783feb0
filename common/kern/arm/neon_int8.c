/* neon_int8.c - int8 products by smlal, which multiplies signed bytes and adds to sums of 16 bits.
 *
 * Ternary codes are numbers as they are, 0..2; the sum of q is taken away at the end. Sums stay 16
 * bits wide over BLOCK steps, each of which adds at most 2 * 127. In the head no number is -128, so
 * two steps add at most 2 * 127 * 127, which fits; then they are widened. */
#include "kern/arm/arm.h"

enum { MOST_ROWS = 2, BLOCK = 128 /* steps */ };
#define EACH_ROWS(DO, x) DO(x, 1) DO(x, 2)
#define HEAD_FLIP 0
#define HEAD_OFFSET(row, q, steps) 0
#include "kern/arm/neon_bytes.h"

/* Sums of the four columns of each lane; `low` has lanes 0 and 1, `high` 2 and 3. */
INLINE ivec fold_columns(int32x4_t low, int32x4_t high)
{
    return vpaddq_s32(low, high);
}

/* The four columns of a step, in every lane. */
INLINE int8x16_t broadcast(const int8_t *q)
{
    return vreinterpretq_s8_s32(vdupq_n_s32(word_of(q)));
}

INLINE void sum_tern(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    const uint8x16_t three = vdupq_n_u8(3);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < QUARTERS; j++)
            sum[i][j] = vdupq_n_s32(0);
    for (const int8_t *end = q + steps * STEP; q < end;) {
        int16x8_t block[MOST_ROWS][QUARTERS][2];
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < QUARTERS; j++)
                block[i][j][0] = block[i][j][1] = vdupq_n_s16(0);
        const int8_t *block_end = MIN(end, q + BLOCK * STEP);
        for (; q < block_end; q += STEP, w += sizeof(ivec)) {
            uint8x16_t v = vld1q_u8(w);
            const int8x16_t code[QUARTERS] = {
                vreinterpretq_s8_u8(vandq_u8(v, three)),
                vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), three)),
                vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), three)),
                vreinterpretq_s8_u8(vshrq_n_u8(v, 6)),
            };
#pragma GCC unroll 2
            for (size_t i = 0; i < M; i++) {
                int8x16_t x = broadcast(q + i * q_stride);
#pragma GCC unroll 4
                for (size_t j = 0; j < QUARTERS; j++) {
                    block[i][j][0] = vmlal_s8(block[i][j][0], vget_low_s8(code[j]), vget_low_s8(x));
                    block[i][j][1] = vmlal_high_s8(block[i][j][1], code[j], x);
                }
            }
        }
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < QUARTERS; j++)
                sum[i][j] = vaddq_s32(sum[i][j], fold_columns(vpaddlq_s16(block[i][j][0]),
                                                              vpaddlq_s16(block[i][j][1])));
    }
}

INLINE void sum_head(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    int32x4_t acc[MOST_ROWS][QUARTERS][2];
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < QUARTERS; j++)
            acc[i][j][0] = acc[i][j][1] = vdupq_n_s32(0);
    for (size_t s = 0; s < steps; s += 2, w += 2 * QUARTERS * sizeof(ivec), q += 2 * STEP) {
        const int8_t *bytes = (const int8_t *)w;
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            int8x16_t v0 = vld1q_s8(bytes + j * sizeof(ivec));
            int8x16_t v1 = vld1q_s8(bytes + (QUARTERS + j) * sizeof(ivec));
#pragma GCC unroll 2
            for (size_t i = 0; i < M; i++) {
                int8x16_t x0 = broadcast(q + i * q_stride);
                int8x16_t x1 = broadcast(q + i * q_stride + STEP);
                int16x8_t low = vmull_s8(vget_low_s8(v0), vget_low_s8(x0));
                int16x8_t high = vmull_high_s8(v0, x0);
                low = vmlal_s8(low, vget_low_s8(v1), vget_low_s8(x1));
                high = vmlal_high_s8(high, v1, x1);
                acc[i][j][0] = vpadalq_s16(acc[i][j][0], low);
                acc[i][j][1] = vpadalq_s16(acc[i][j][1], high);
            }
        }
    }
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < QUARTERS; j++)
            sum[i][j] = fold_columns(acc[i][j][0], acc[i][j][1]);
}

INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS])
{
    if (ternary)
        sum_tern(M, w, steps, q, q_stride, sum);
    else
        sum_head(M, w, steps, q, q_stride, sum);
}

static double op_spin(size_t n)
{
    enum { SUMS = 16 };
    int16x8_t sum[SUMS];
    int8x8_t x = vdup_n_s8(0);
    KEEP(x);
#pragma GCC unroll 16
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = vdupq_n_s16(0);
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 16
        for (size_t i = 0; i < SUMS; i++)
            sum[i] = vmlal_s8(sum[i], x, x);
#pragma GCC unroll 16
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * 8;
}

void kern_neon_int8(struct kern_exact *k)
{
    int8_install(k);
}
