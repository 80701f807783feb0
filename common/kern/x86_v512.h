/* x86_v512.h - the vector type of the AVX-512 files: 16 floats and the v_ functions on them. Not a
 * header in the usual sense: only for files compiled with those flags. */
#ifndef X86_V512_H
#define X86_V512_H

#include <immintrin.h>

#define WIDTH 16

typedef __m512 vec;
typedef __mmask16 vmask;

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
static inline float v_sum(vec v)
{
    return _mm512_reduce_add_ps(v);
}
static inline float v_max_of(vec v)
{
    return _mm512_reduce_max_ps(v);
}

#endif
