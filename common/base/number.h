/* number.h - how the numbers of a matrix may be stored: as floats, as IEEE 754 half precision in
 * 16-bit words, or as signed bytes with one float scale a row. */
#ifndef NUMBER_H
#define NUMBER_H

#include "base/base.h"

enum number_type {
    NUMBER_F32,
    NUMBER_F16,
    NUMBER_Q8 /* -127..127, times the scale of its row */
};
extern const char *const number_type_names[4]; /* "f32", "f16", "q8", NULL */

/* Bytes of one number, scales left out. */
static inline size_t number_bytes(enum number_type type)
{
    return type == NUMBER_F32 ? 4 : type == NUMBER_F16 ? 2 : 1;
}

/* Rounds to nearest, ties to even; what is too large becomes infinity, NaN stays NaN. */
uint16_t number_f16(float x);

/* Exact. */
float number_f16_value(uint16_t h);

/* Whether none of n is infinite or NaN. */
bool number_f16_all_finite(const uint16_t *h, size_t n);

static inline bool number_f16_is_finite(uint16_t h)
{
    return (h & 0x7c00) != 0x7c00;
}

/* Rounds a row of n finite numbers to bytes, ties to even; returns its scale, the largest magnitude
 * / 127. */
float number_q8(const float *x, size_t n, signed char *out);

/* n numbers of one row as floats, exact but for the product of byte and scale. */
void number_read(enum number_type type, const void *row, float scale, size_t n, float *out);

#endif
