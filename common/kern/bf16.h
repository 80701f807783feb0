/* bf16.h - the number format bfloat16: the upper half of a float. For the kernels' own use. */
#ifndef BF16_H
#define BF16_H

#include <stdint.h>
#include <string.h>

/* Rounds to nearest even, what is too large to infinity; NaN stays one. */
static inline uint32_t bf16_from(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return bits << 1 > 0xff000000 ? bits >> 16 | 0x40 : rounded;
}

static inline float bf16_to(uint32_t half)
{
    uint32_t bits = half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A cell: `first` in the lower half. */
static inline uint32_t bf16_cell(float first, float second)
{
    return bf16_from(first) | bf16_from(second) << 16;
}

#endif
