/* v128.h - a vector type for every machine: 4 floats by the compilers' vector extensions, which
 * become the 128-bit registers that almost every processor has. Contracts: vector.h. Not a header
 * in the usual sense: for files that use the templates. */
#ifndef V128_H
#define V128_H

#include <math.h>
#include <string.h>

#define WIDTH 4

typedef float vec __attribute__((vector_size(16)));
typedef int32_t ivec __attribute__((vector_size(16)));
typedef uint32_t uvec __attribute__((vector_size(16)));
typedef size_t vmask; /* how many lanes */

/* The same in memory: aligned as its element, and whatever was stored there. */
typedef float vec_at __attribute__((vector_size(16), aligned(4), may_alias));

#include "kern/vector.h"

static inline vec v_load(const float *p)
{
    return *(const vec_at *)p;
}
static inline void v_store(float *p, vec v)
{
    *(vec_at *)p = v;
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
    return (vec){x, x, x, x};
}
static inline uvec u_set(uint32_t x)
{
    return (uvec){x, x, x, x};
}
static inline vec v_select(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}
/* Below 2^-14 numbers have no implicit bit: 0.5 and they, less 0.5, which no denormal float meets.
 */
static inline vec v_load_f16(const uint16_t *p)
{
    typedef uint16_t halves __attribute__((vector_size(8)));
    halves h;
    memcpy(&h, p, sizeof h);
    uvec bits = __builtin_convertvector(h, uvec);
    uvec magnitude = bits & 0x7fff;
    vec normal = (vec)((magnitude << 13) + (112u << 23));
    vec small = (vec)((uvec)v_set(0.5f) | magnitude) - v_set(0.5f);
    vec value = v_select(magnitude < 0x400, small, normal);
    return (vec)((uvec)value | (bits & 0x8000) << 16);
}
static inline vec v_load_q8(const int8_t *p)
{
    typedef int8_t bytes __attribute__((vector_size(4)));
    bytes b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, vec);
}
/* Floats whose lower halves are zero, from the halves of words. */
static inline vec v_lower_halves(const uint32_t *p)
{
    return (vec)((uvec) * (const vec_at *)p << 16);
}
static inline vec v_upper_halves(const uint32_t *p)
{
    return (vec)((uvec) * (const vec_at *)p & 0xffff0000);
}
static inline vec v_add(vec a, vec b)
{
    return a + b;
}
static inline vec v_sub(vec a, vec b)
{
    return a - b;
}
static inline vec v_mul(vec a, vec b)
{
    return a * b;
}
static inline vec v_div(vec a, vec b)
{
    return a / b;
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
static inline vec v_reciprocal(vec a)
{
    return v_set(1.0f) / a;
}
static inline vec v_min(vec a, vec b)
{
    return v_select(a < b, a, b);
}
static inline vec v_max(vec a, vec b)
{
    return v_select(a > b, a, b);
}
static inline vec v_sqrt(vec a)
{
    return (vec){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])};
}
/* 1.5 * 2^23: a float of that size has no fraction, and the whole number in its lowest bits. */
#define V128_WHOLE 12582912.0f
static inline vec v_round(vec a)
{
    return (a + v_set(V128_WHOLE)) - v_set(V128_WHOLE);
}
/* Of whole numbers between -2^22 and 2^22. */
static inline ivec i_of(vec whole)
{
    return (ivec)((uvec)(whole + v_set(V128_WHOLE)) - (uvec)v_set(V128_WHOLE));
}
/* In two factors, since 2^128 is infinity. */
static inline vec v_scale(vec p, vec n)
{
    ivec whole = i_of(n);
    ivec half = whole >> 1;
    uvec one = ((uvec)half + 127) << 23;
    uvec two = ((uvec)whole - (uvec)half + 127) << 23;
    return p * (vec)one * (vec)two;
}
static inline vec v_select_less(vec a, vec b, vec yes, vec no)
{
    return v_select(a < b, yes, no);
}
static inline uint32_t v_bits_at_least(vec a, vec b)
{
    typedef uint64_t two __attribute__((vector_size(16)));
    two bit = (two)((a >= b) & (ivec){1, 2, 4, 8});
    uint64_t bits = bit[0] | bit[1];
    return (uint32_t)(bits | bits >> 32);
}
static inline float v_sum(vec v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}
static inline float v_max_of(vec v)
{
    float low = v[0] > v[2] ? v[0] : v[2];
    float high = v[1] > v[3] ? v[1] : v[3];
    return low > high ? low : high;
}

#endif
