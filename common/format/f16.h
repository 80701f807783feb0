/* f16.h - IEEE 754 half precision as 16-bit words. */
#ifndef F16_H
#define F16_H

#include "base/base.h"

/* Rounds to nearest, ties to even; what is too large becomes infinity, NaN stays NaN. */
uint16_t f16_from_float(float x);

/* Exact. */
float f16_to_float(uint16_t h);

static inline bool f16_is_finite(uint16_t h)
{
    return (h & 0x7c00) != 0x7c00;
}

#endif
