#include "base/number.h"

#include <math.h>
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

float number_f16_value(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f;
    uint32_t fraction = h & 0x3ff;
    uint32_t bits;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
        bits = float_bits((float)fraction * 0x1p-24f);
    } else if (exponent == 31) {
        bits = 0x7f800000 | fraction << 13;
    } else {
        bits = (exponent + 127 - 15) << 23 | fraction << 13;
    }
    bits |= sign;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

float number_q8(const float *x, size_t n, signed char *out)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    float scale = most / 127;
    for (size_t i = 0; i < n; i++) {
        float q = scale > 0 ? rintf(x[i] / scale) : 0;
        out[i] = (signed char)fmaxf(-127, fminf(127, q));
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
