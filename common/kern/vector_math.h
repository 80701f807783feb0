/* vector_math.h - elementary functions on `vec`, written once. Not a header in the usual sense: the
 * instruction-set files define `vec` and the v_ functions, then include this file. */

#ifndef VECTOR_MATH_H
#define VECTOR_MATH_H

#include <math.h>

#include "base/fmath.h"

#define INLINE static inline __attribute__((always_inline))

/* Runs BODY(load, store), which works on the numbers i, i + 1, ... of its operands: in whole
 * vectors, then in a masked rest. */
#define FOR_VECTORS(n, BODY)                  \
    do {                                      \
        size_t i = 0;                         \
        for (; i + WIDTH <= (n); i += WIDTH)  \
            BODY(v_load, v_store);            \
        if (i < (n)) {                        \
            const vmask rest = v_mask((n)-i); \
            BODY(LOAD_REST, STORE_REST);      \
        }                                     \
    } while (0)
#define LOAD_REST(p) v_load_mask((p), rest)
#define STORE_REST(p, v) v_store_mask((p), (v), rest)

/* The first n numbers, or all WIDTH of them where n is more; 0 beyond. Where masks are slow, whole
 * vectors shall not have one. */
INLINE vec load_up_to(const float *x, size_t n)
{
    return n >= WIDTH ? v_load(x) : v_load_mask(x, v_mask(n));
}

INLINE void store_up_to(float *y, vec v, size_t n)
{
    if (n >= WIDTH)
        v_store(y, v);
    else
        v_store_mask(y, v, v_mask(n));
}

/* fmath_expf in vectors, with fused multiply-adds, for x <= 88; below -88 the result is below
 * the smallest normal number, which is 0 where denormals are flushed. */
INLINE vec v_exp_below(vec x)
{
    vec t = v_max(v_set(-88.0f), x); /* in this order NaN stays NaN */
    vec n = v_round(v_mul(t, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), t);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return v_scale(p, n);
}

/* The same for every x: e^88 beyond 88. */
INLINE vec v_exp_within(vec x)
{
    return v_exp_below(v_min(v_set(88.0f), x)); /* in this order NaN stays NaN */
}

INLINE vec v_sigmoid(vec x)
{
    vec minus = v_min(v_set(88.0f), v_sub(v_set(0.0f), x));
    return v_reciprocal(v_add(v_set(1.0f), v_exp_below(minus)));
}

INLINE float maximum(const float *x, size_t n)
{
    vec max = v_set(x[0]);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        max = v_max(max, v_load(x + i));
    float m = v_max_of(max);
    for (; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

/* kern.h powers of n numbers in their place; returns their sum. */
INLINE float powers_of(float *x, size_t n, float level)
{
    vec lv = v_set(level);
    vec total = v_set(0.0f);
#define BODY(load, store)                                               \
    do {                                                                \
        store(x + i, v_exp_within(v_sub(load(x + i), lv)));             \
        total = v_add(total, load(x + i)); /* without what is masked */ \
    } while (0)
    FOR_VECTORS(n, BODY);
#undef BODY
    return v_sum(total);
}

/* ---- exact: the same bits on every level ----------------------------------------------------- */

/* fmath_expf, bit for bit and for every x. The order in which it is multiplied by 2^n makes no
 * difference, since no partial result leaves the range of normal numbers. */
INLINE vec v_exp_exact(vec x)
{
    vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_sub(x, v_mul(n, v_set(0.693359375f)));
    r = v_sub(r, v_mul(n, v_set(-2.12194440e-4f)));
    vec p = v_set(1.9875691500e-4f);
    p = v_add(v_mul(p, r), v_set(1.3981999507e-3f));
    p = v_add(v_mul(p, r), v_set(8.3334519073e-3f));
    p = v_add(v_mul(p, r), v_set(4.1665795894e-2f));
    p = v_add(v_mul(p, r), v_set(1.6666665459e-1f));
    p = v_add(v_mul(p, r), v_set(5.0000001201e-1f));
    p = v_add(v_add(v_mul(p, v_mul(r, r)), r), v_set(1.0f));
    p = v_select_less(x, v_set(-87.3f), v_set(0.0f), v_scale(p, n));
    return v_select_less(v_set(88.7f), x, v_set(INFINITY), p);
}

/* 1 / (1 + e^-x), correctly rounded divisions and all. */
INLINE vec v_sigmoid_exact(vec x)
{
    vec minus = v_sub(v_set(-0.0f), x);
    return v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp_exact(minus)));
}

#endif
