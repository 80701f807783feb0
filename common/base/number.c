#include "base/number.h"

#include <string.h>

const char *const number_type_names[4] = {"f32", "f16", "q8", NULL};

/* A float is sign, 8 bits of exponent (bias 127), 23 of fraction; a half is 1, 5 (bias 15), 10. */

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* n >> shift, rounded to nearest, ties to even; 0 < shift < 32. */
static uint32_t shift_round(uint32_t n, unsigned shift)
{
    uint32_t kept = n >> shift;
    uint32_t rest = n & ((1u << shift) - 1);
    uint32_t half = 1u << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t number_f16(float x)
{
    uint32_t bits = float_bits(x);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t half;
    if (magnitude > 0x7f800000) {
        half = 0x7e00; /* NaN */
    } else if (magnitude >= 0x47800000) {
        half = 0x7c00; /* 65536 and more */
    } else if (magnitude >= 0x38800000) {
        /* normal: rounding may carry into the exponent, which is right, up to infinity */
        half = shift_round(magnitude - ((127 - 15) << 23), 13);
    } else if (magnitude >= 0x33000000) {
        /* subnormal: a multiple of 2^-24 */
        unsigned exponent = magnitude >> 23;
        half = shift_round((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
    } else {
        half = 0; /* below half of the least subnormal */
    }
    return (uint16_t)(sign | half);
}

/* All bits set, or none. */
static inline uint32_t mask_if(bool condition)
{
    return 0u - (uint32_t)condition;
}

/* Without a branch, so that loops of it take vectors. */
float number_f16_value(uint16_t h)
{
    const uint32_t rebias = (127 - 15) << 23;
    uint32_t magnitude = h & 0x7fff;
    uint32_t subnormal = float_bits((float)(int32_t)magnitude * 0x1p-24f); /* or zero */
    uint32_t normal = (magnitude << 13) + rebias;
    normal += rebias & mask_if(magnitude >= 0x7c00); /* infinity and NaN */
    uint32_t is_subnormal = mask_if(magnitude < 0x0400);
    uint32_t bits = (subnormal & is_subnormal) | (normal & ~is_subnormal);
    bits |= (uint32_t)(h & 0x8000) << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

bool number_f16_all_finite(const uint16_t *h, size_t n)
{
    uint16_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t magnitude = h[i] & 0x7fff;
        most = magnitude > most ? magnitude : most;
    }
    return most < 0x7c00;
}

/* Largest magnitude: floats above zero are in the order of their bits. */
static float largest(const float *x, size_t n)
{
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t magnitude = (int32_t)(float_bits(x[i]) & 0x7fffffff);
        most = magnitude > most ? magnitude : most;
    }
    float m;
    memcpy(&m, &most, sizeof m);
    return m;
}

float number_q8(const float *x, size_t n, signed char *out)
{
    const float whole = 12582912; /* 1.5 * 2^23: floats near it are whole numbers */
    float scale = largest(x, n) / 127;
    if (scale == 0) {
        memset(out, 0, n);
        return scale;
    }
    for (size_t i = 0; i < n; i++) {
        float q = (x[i] / scale + whole) - whole; /* in [-254, 254]: a tiny scale is inexact */
        q = q < 127 ? q : 127;
        q = q > -127 ? q : -127;
        out[i] = (signed char)(int32_t)q;
    }
    return scale;
}

void number_read(enum number_type type, const void *row, float scale, size_t n, float *out)
{
    const uint16_t *halves = row;
    const signed char *bytes = row;
    switch (type) {
    case NUMBER_F32:
        memcpy(out, row, n * sizeof *out);
        break;
    case NUMBER_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = number_f16_value(halves[i]);
        break;
    case NUMBER_Q8:
        for (size_t i = 0; i < n; i++)
            out[i] = (float)bytes[i] * scale;
        break;
    }
}
