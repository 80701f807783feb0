/* vector_tern.h - ternary weights and float activations: the signed sums that are looked up, and
 * their indices. How they are looked up is up to each instruction set. */
#ifndef VECTOR_TERN_H
#define VECTOR_TERN_H

#include <string.h>

#include "kern/exact.h"
#include "kern/vector_math.h"

enum { GROUP = 3 /* columns whose signed sums are looked up */ };

/* The 27 signed sums of x0, x1, x2 are the digits of a number from -13 to 13 in balanced ternary,
 * x0's digit counting nine: a negative number is the negated sum of the positive one, exactly, and
 * a zero's sign does not matter. So 14 sums are looked up, and a sign. */
struct tern_index {
    uint8_t magnitude; /* 0 to 13 */
    bool negative;
};

enum { MAGNITUDES = 16 /* in a table; the last two are not used */ };

/* Digits of the magnitudes, for x0, x1, x2. */
static const int32_t tern_digits[GROUP][MAGNITUDES] = {
    {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
    {0, 0, 1, 1, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0},
    {0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0},
};

/* Of three codes, the first one in the lowest bits. */
INLINE struct tern_index tern_index_of(unsigned codes)
{
    int number = 9 * (int)(codes & 3) + 3 * (int)(codes >> 2 & 3) + (int)(codes >> 4 & 3) - 13;
    return (struct tern_index){(uint8_t)(number < 0 ? -number : number), number < 0};
}

/* The codes of group g of a row; columns beyond the end have the code of 0. */
INLINE unsigned tern_group(const uint8_t *row, size_t cols, size_t g)
{
    size_t byte = 6 * g / 8;
    unsigned bits = row[byte];
    if (byte + 1 < DIV_UP(cols, (size_t)4))
        bits |= (unsigned)row[byte + 1] << 8;
    bits = bits >> 6 * g % 8 & 63;
    size_t n = cols - GROUP * g;
    if (n < GROUP)
        bits = (bits & ((1u << 2 * n) - 1)) | (0x15u & ~((1u << 2 * n) - 1));
    return bits;
}

/* The activations of group g, zero beyond the end; `room` is used for those. */
INLINE const float *tern_activations(const float *x, size_t cols, size_t g, float room[GROUP])
{
    if (GROUP * (g + 1) <= cols)
        return x + GROUP * g;
    memset(room, 0, GROUP * sizeof *room);
    memcpy(room, x + GROUP * g, (cols - GROUP * g) * sizeof *room);
    return room;
}

#endif
