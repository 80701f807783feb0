/* dotprod_int8.c - int8 products by sdot, which adds the four products of a lane's signed bytes.
 * Ternary codes are numbers as they are, 0..2; the sum of q is taken away at the end. */
#include "kern/arm/arm.h"

/* Four rows: with four sums each, operands and q, 24 of 32 registers. */
enum { MOST_ROWS = 4 };
#define EACH_ROWS(DO, x) DO(x, 1) DO(x, 2) DO(x, 3) DO(x, 4)
#define HEAD_FLIP 0
#define HEAD_OFFSET(row, q, steps) 0
#include "kern/arm/neon_bytes.h"

/* One step, whose columns are lane `step` of x. */
#define DOT(step)                                                                 \
    _Pragma("GCC unroll 4") for (size_t i = 0; i < M; i++)                        \
        _Pragma("GCC unroll 4") for (size_t j = 0; j < QUARTERS; j++) sum[i][j] = \
            vdotq_laneq_s32(sum[i][j], v[j], x[i], step);

/* The four operands of a step. */
INLINE void load_operands(bool ternary, const uint8_t *w, int8x16_t v[QUARTERS])
{
    const uint8x16_t three = vdupq_n_u8(3);
    if (ternary) {
        uint8x16_t codes = vld1q_u8(w);
        v[0] = vreinterpretq_s8_u8(vandq_u8(codes, three));
        v[1] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(codes, 2), three));
        v[2] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(codes, 4), three));
        v[3] = vreinterpretq_s8_u8(vshrq_n_u8(codes, 6));
    } else {
        for (size_t j = 0; j < QUARTERS; j++)
            v[j] = vld1q_s8((const int8_t *)w + j * sizeof(ivec));
    }
}

/* Four steps at a time, whose columns are one vector of q. */
INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS])
{
    const size_t bytes = ternary ? sizeof(ivec) : QUARTERS * sizeof(ivec);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < QUARTERS; j++)
            sum[i][j] = vdupq_n_s32(0);
    for (size_t s = 0; s < steps; s += 4, w += 4 * bytes, q += 4 * STEP) {
        int8x16_t x[MOST_ROWS];
        int8x16_t v[QUARTERS];
        for (size_t i = 0; i < M; i++)
            x[i] = vld1q_s8(q + i * q_stride);
        load_operands(ternary, w, v);
        DOT(0)
        load_operands(ternary, w + bytes, v);
        DOT(1)
        load_operands(ternary, w + 2 * bytes, v);
        DOT(2)
        load_operands(ternary, w + 3 * bytes, v);
        DOT(3)
    }
}

static double op_spin(size_t n)
{
    enum { SUMS = 16 };
    int32x4_t sum[SUMS];
    int8x16_t x = vdupq_n_s8(0);
    KEEP(x);
#pragma GCC unroll 16
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = vdupq_n_s32(0);
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 16
        for (size_t i = 0; i < SUMS; i++)
            sum[i] = vdotq_s32(sum[i], x, x);
#pragma GCC unroll 16
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * WIDTH * STEP;
}

void kern_dotprod_int8(struct kern_exact *k)
{
    int8_install(k);
}
