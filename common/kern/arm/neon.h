/* neon.h - the vector type of the NEON files: 4 floats. Contracts: vector.h. Not a header in the
 * usual sense: for files that use the templates. */
#ifndef ARM_NEON_VEC_H
#define ARM_NEON_VEC_H

#include <arm_neon.h>
#include <string.h>

#define WIDTH 4

typedef float32x4_t vec;
typedef size_t vmask; /* how many lanes */

#include "kern/vector.h"

static inline vec v_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void v_store(float *p, vec v)
{
    vst1q_f32(p, v);
}
static inline vmask v_mask(size_t n)
{
    return n;
}
static inline vec v_load_mask(const float *p, vmask m)
{
    float v[WIDTH] = {0};
    for (size_t i = 0; i < m; i++)
        v[i] = p[i];
    return v_load(v);
}
static inline void v_store_mask(float *p, vec v, vmask m)
{
    for (size_t i = 0; i < m; i++)
        p[i] = v[i];
}
static inline vec v_set(float x)
{
    return vdupq_n_f32(x);
}
static inline vec v_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vec v_load_q8(const int8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    int16x8_t wide = vmovl_s8(vcreate_s8(word));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
static inline vec v_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}
static inline vec v_reciprocal(vec a)
{
    return vdivq_f32(vdupq_n_f32(1.0f), a);
}
/* fmin and fmax would return a NaN wherever it stands. */
static inline vec v_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vec v_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vec v_sqrt(vec a)
{
    return vsqrtq_f32(a);
}
static inline vec v_round(vec a)
{
    return vrndnq_f32(a);
}
/* In two factors, since 2^128 is infinity. */
static inline vec v_scale(vec p, vec n)
{
    int32x4_t whole = vcvtq_s32_f32(n);
    int32x4_t half = vshrq_n_s32(whole, 1);
    int32x4_t bias = vdupq_n_s32(127);
    int32x4_t one = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t two = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    return v_mul(v_mul(p, vreinterpretq_f32_s32(one)), vreinterpretq_f32_s32(two));
}
static inline vec v_select_less(vec a, vec b, vec yes, vec no)
{
    return vbslq_f32(vcltq_f32(a, b), yes, no);
}
static inline uint32_t v_bits_at_least(vec a, vec b)
{
    const uint32x4_t bit = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgeq_f32(a, b), bit));
}
static inline float v_sum(vec v)
{
    float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(vpadd_f32(s, s), 0);
}
static inline float v_max_of(vec v)
{
    return vmaxvq_f32(v);
}

#endif
