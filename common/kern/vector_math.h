/* vector_math.h - elementary functions on `vec`, written once. Not a header in the usual sense: the
 * instruction-set files define `vec` and the v_ functions, then include this file. */

#define INLINE static inline __attribute__((always_inline))

/* fmath_expf in vectors, but with fused multiply-adds; inputs from -87 down give 0. */
INLINE vec v_exp(vec x)
{
    vec low = v_set(-87.0f);
    vec t = v_min(v_set(88.5f), v_max(low, x)); /* in this order NaN stays NaN */
    vec n = v_round(v_mul(t, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), t);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set(1.0f));
    return v_zero_below(x, low, v_scale(p, n));
}

INLINE vec v_sigmoid(vec x)
{
    vec one = v_set(1.0f);
    return v_reciprocal(v_add(one, v_exp(v_sub(v_set(0.0f), x))));
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
