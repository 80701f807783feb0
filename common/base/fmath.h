/* fmath.h - the few transcendental functions whose results reach a file.
 *
 * libm differs between machines and versions; these use only additions, multiplications, divisions
 * and bit moves, which IEEE 754 fixes, so the same input gives the same bits everywhere. Compile
 * with -ffp-contract=off. */
#ifndef FMATH_H
#define FMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Natural logarithm of x > 0; error under 2 units in the last place of a double. Infinity and NaN
 * are returned as they are. */
double fmath_log(double x);

/* e^x; 0 below -745, infinity above 709.78. Error under 2 units in the last place. */
double fmath_exp(double x);

/* cos(pi x) for 0 <= x <= 1; absolute error under 1e-15. */
double fmath_cospi(double x);

/* base^n by squaring, n >= 0. */
double fmath_powi(double base, uint64_t n);

/* e^x in single precision, relative error under 2e-7 for -87 <= x <= 88; below -87.3 it is 0, above
 * 88.7 infinity, and NaN stays NaN. Kernels compute exactly these operations in vectors: x = n ln 2
 * + r with |r| <= ln(2)/2 (Cody and Waite's two-part ln 2), then a polynomial of degree 7 for e^r.
 */
static inline float fmath_expf(float x)
{
    if (!(x >= -87.3f))
        return x < -87.3f ? 0.0f : x;
    if (x > 88.7f)
        return INFINITY;
    float n = x * 1.44269504f;
    n = (n + 12582912.0f) - 12582912.0f; /* round to nearest even: 1.5 * 2^23 */
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n in two factors, so that n = 128 does not overflow before p < 1 brings it back */
    int32_t half = (int32_t)n / 2;
    int32_t bits1 = (half + 127) << 23;
    int32_t bits2 = ((int32_t)n - half + 127) << 23;
    float scale1;
    float scale2;
    memcpy(&scale1, &bits1, sizeof scale1);
    memcpy(&scale2, &bits2, sizeof scale2);
    return p * scale1 * scale2;
}

#endif
