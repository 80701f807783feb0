/* neon_exact.c - inference with float activations and NEON.
 *
 * Ternary weights: tbl looks 16 bytes up in 16 (vector_planes.h), for 16 rows at a time. */
#include "kern/arm/arm.h"

#include "kern/arm/neon.h"

#define HEAD_VECS 8
#define HEAD_TILE_VECS 4 /* 16 sums, 4 activations, a weight and a product: 22 of 32 registers */
#define HEAD_TILE_ROWS 4
#define TERN_SIGN_BIT (1 << 7)

#include "kern/vector_attend.h"
#include "kern/vector_exact.h"
#include "kern/vector_logits.h"
#include "kern/vector_planes.h"

INLINE size_t place_of(size_t row)
{
    return row;
}

/* A term of four magnitudes: x times digits, which are -1, 0 or 1. */
INLINE vec term(float x, int32x4_t digits)
{
    uint32x4_t has = vtstq_s32(digits, digits);
    uint32x4_t sign = vandq_u32(vreinterpretq_u32_s32(digits), vdupq_n_u32(0x80000000));
    uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(v_set(x)), has);
    return vreinterpretq_f32_u32(veorq_u32(bits, sign));
}

static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out)
{
    float room[GROUP];
    float sums[MAGNITUDES];
    for (size_t g = first; g < first + n; g++, out++) {
        const float *v = tern_activations(x, cols, g, room);
        for (size_t j = 0; j < MAGNITUDES; j += WIDTH)
            v_store(sums + j, v_add(v_add(term(v[0], vld1q_s32(tern_digits[0] + j)),
                                          term(v[1], vld1q_s32(tern_digits[1] + j))),
                                    term(v[2], vld1q_s32(tern_digits[2] + j))));
        uint8x16x4_t planes = vld4q_u8((const uint8_t *)sums);
        for (size_t j = 0; j < 4; j++)
            vst1q_u8(out->plane[j], planes.val[j]);
    }
}

INLINE vec interleaved(uint8x16_t low_halves, uint8x16_t high_halves, bool second)
{
    uint16x8_t low = vreinterpretq_u16_u8(low_halves);
    uint16x8_t high = vreinterpretq_u16_u8(high_halves);
    return vreinterpretq_f32_u16(second ? vzip2q_u16(low, high) : vzip1q_u16(low, high));
}

INLINE void add_group(const uint8_t *indices, const struct table *table, vec sum[TERN_VECS])
{
    uint8x16_t packed = vld1q_u8(indices);
    uint8x16_t index = vandq_u8(packed, vdupq_n_u8(MAGNITUDES - 1));
    uint8x16_t sign = vandq_u8(packed, vdupq_n_u8(TERN_SIGN_BIT));
    uint8x16_t p0 = vqtbl1q_u8(vld1q_u8(table->plane[0]), index);
    uint8x16_t p1 = vqtbl1q_u8(vld1q_u8(table->plane[1]), index);
    uint8x16_t p2 = vqtbl1q_u8(vld1q_u8(table->plane[2]), index);
    uint8x16_t p3 = veorq_u8(vqtbl1q_u8(vld1q_u8(table->plane[3]), index), sign);
    sum[0] = v_add(sum[0], interleaved(vzip1q_u8(p0, p1), vzip1q_u8(p2, p3), false));
    sum[1] = v_add(sum[1], interleaved(vzip1q_u8(p0, p1), vzip1q_u8(p2, p3), true));
    sum[2] = v_add(sum[2], interleaved(vzip2q_u8(p0, p1), vzip2q_u8(p2, p3), false));
    sum[3] = v_add(sum[3], interleaved(vzip2q_u8(p0, p1), vzip2q_u8(p2, p3), true));
}

void kern_neon_exact(struct kern_exact *k)
{
    exact_install(k);
    k->attend = exact_attend;
    logits_install(k);
    planes_install(k);
}
