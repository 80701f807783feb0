/* v512.h - the vector type of the AVX-512 files: 16 floats and the v_ functions on them. Not a
 * header in the usual sense: only for files compiled with those flags. */
#ifndef X86_V512_H
#define X86_V512_H

#include <immintrin.h>

#define WIDTH 16

typedef __m512 vec;
typedef __mmask16 vmask;

#include "kern/vector.h"

static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}
static inline vmask v_mask(size_t n)
{
    return (vmask)((1u << n) - 1);
}
static inline vec v_load_mask(const float *p, vmask m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void v_store_mask(float *p, vec v, vmask m)
{
    _mm512_mask_storeu_ps(p, m, v);
}
static inline vec v_set(float x)
{
    return _mm512_set1_ps(x);
}
/* 16 numbers of half precision, or 16 signed bytes: exact. */
static inline vec v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline vec v_load_q8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* 1/a for 1 <= a: an estimate of 14 bits and a Newton step, half the time of a division. */
static inline vec v_reciprocal(vec a)
{
    vec r = _mm512_rcp14_ps(a);
    return _mm512_mul_ps(r, _mm512_fnmadd_ps(a, r, _mm512_set1_ps(2.0f)));
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_sqrt(vec a)
{
    return _mm512_sqrt_ps(a);
}
static inline vec v_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* p * 2^n */
static inline vec v_scale(vec p, vec n)
{
    return _mm512_scalef_ps(p, n);
}
/* a < b ? yes : no */
static inline vec v_select_less(vec a, vec b, vec yes, vec no)
{
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
}
/* Bit i: a >= b in lane i; false where one is NaN. */
static inline uint32_t v_bits_at_least(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
static inline float v_sum(vec v)
{
    return _mm512_reduce_add_ps(v);
}
static inline float v_max_of(vec v)
{
    return _mm512_reduce_max_ps(v);
}

/* Transposes 16 x 16 cells of 32 bits: pairs, then fours within the 128-bit lanes, then the lanes.
 */
static inline void v_transpose(__m512i r[16])
{
    __m512i a[16];
    __m512i b[16];
    for (size_t i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    for (size_t c = 0; c < 4;
         c++) { /* lane l of b[4 i + c]: column 4 l + c of rows 4 i .. 4 i + 3 */
        __m512i even0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0x88);
        __m512i even1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0x88);
        __m512i odd0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0xdd);
        __m512i odd1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0xdd);
        r[c] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        r[4 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        r[8 + c] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        r[12 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
}

/* The same of floats. */
static inline void v_transpose_floats(vec v[WIDTH])
{
    __m512i r[WIDTH];
    for (size_t i = 0; i < WIDTH; i++)
        r[i] = _mm512_castps_si512(v[i]);
    v_transpose(r);
    for (size_t i = 0; i < WIDTH; i++)
        v[i] = _mm512_castsi512_ps(r[i]);
}

/* Sixteen cells from the first of n numbers at x, zero beyond them. */
typedef __m512i v_read_cells(const float *x, size_t n);

/* kern.h pack, 16 rows of W and 16 cells at a time, for cells of `unit` numbers. */
static inline __attribute__((always_inline)) void v_pack(const float *w, size_t n_out, size_t n_in,
                                                         size_t first, size_t count, uint32_t *out,
                                                         size_t panel, size_t unit,
                                                         v_read_cells *read)
{
    const size_t k = DIV_UP(n_in, unit);
    for (size_t j = first; j < first + ALIGN_UP(count, panel); j += WIDTH) {
        uint32_t *column = out + j / panel * panel * k + j % panel;
        for (size_t p = 0; p < k; p += WIDTH) {
            __m512i r[WIDTH];
            for (size_t i = 0; i < WIDTH; i++)
                r[i] = j + i < n_out ? read(w + (j + i) * n_in + p * unit, n_in - p * unit)
                                     : _mm512_setzero_si512();
            v_transpose(r);
            for (size_t i = 0; i < WIDTH && p + i < k; i++)
                _mm512_storeu_si512(column + (p + i) * panel, r[i]);
        }
    }
}

#endif
