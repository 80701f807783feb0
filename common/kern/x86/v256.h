/* v256.h - the vector type of the AVX2 files: 8 floats and the v_ functions on them. Not a
 * header in the usual sense: only for files compiled with those flags. */
#ifndef X86_V256_H
#define X86_V256_H

#include <immintrin.h>

#define WIDTH 8

typedef __m256 vec;
typedef __m256i vmask;

#include "kern/vector.h"

static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}
static inline vmask v_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec v_load_mask(const float *p, vmask m)
{
    return _mm256_maskload_ps(p, m);
}
static inline void v_store_mask(float *p, vec v, vmask m)
{
    _mm256_maskstore_ps(p, m, v);
}
static inline vec v_set(float x)
{
    return _mm256_set1_ps(x);
}
/* 8 numbers of half precision, or 8 signed bytes: exact. */
static inline vec v_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline vec v_load_q8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_reciprocal(vec a)
{
    return _mm256_div_ps(_mm256_set1_ps(1.0f), a);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_sqrt(vec a)
{
    return _mm256_sqrt_ps(a);
}
static inline vec v_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* p * 2^n, n whole and in [-126, 128]: in two factors, since 2^128 is infinity */
static inline vec v_scale(vec p, vec n)
{
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1);
    __m256i bias = _mm256_set1_epi32(127);
    __m256i one = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i two = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
    return v_mul(v_mul(p, _mm256_castsi256_ps(one)), _mm256_castsi256_ps(two));
}
/* a < b ? yes : no */
static inline vec v_select_less(vec a, vec b, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* Bit i: a >= b in lane i; false where one is NaN. */
static inline uint32_t v_bits_at_least(vec a, vec b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}
static inline float v_sum(vec v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float v_max_of(vec v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/* WIDTH rows of as many floats become columns. */
static inline void v_transpose_floats(vec v[WIDTH])
{
    vec a[WIDTH];
    vec b[WIDTH];
    for (size_t i = 0; i < WIDTH; i += 2) {
        a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (size_t i = 0; i < WIDTH; i += 4)
        for (size_t j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + 2 + j], 0x44);
            b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + 2 + j], 0xee);
        }
    for (size_t i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

/* Transposes the 16 x 16 bytes of each half: each of four rounds moves the highest bit of a row's
 * number to the end of a byte's, and that one's highest to the end of the row's. */
static inline void v_transpose_bytes(__m256i v[16])
{
#pragma GCC unroll 4
    for (size_t round = 0; round < 4; round++) {
        __m256i t[16];
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            t[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 8]);
            t[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 8]);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++)
            v[i] = t[i];
    }
}

#endif
