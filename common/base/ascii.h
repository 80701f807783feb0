/* ascii.h - 16 bytes at a time, by the compilers' vector extensions, which work on every machine
 * and are several times as fast as single bytes where it has vector instructions. A mask has 0xff
 * in the bytes for which something holds, 0 in the others. */
#ifndef ASCII_H
#define ASCII_H

#include <string.h>

#include "base/base.h"

enum { ASCII_BYTES = 16 };

typedef unsigned char ascii_bytes __attribute__((vector_size(ASCII_BYTES)));

/* s[0..16). */
static inline ascii_bytes ascii_load(const char *s)
{
    ascii_bytes v;
    memcpy(&v, s, sizeof v);
    return v;
}

/* Zero bytes before the first in memory that is not; 8 if all are. */
static inline unsigned ascii_zeros(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return word ? (unsigned)__builtin_ctzll(word) / 8 : 8;
#else
    return word ? (unsigned)__builtin_clzll(word) / 8 : 8;
#endif
}

/* Index of the first byte that is not 0, 16 if there is none. */
static inline unsigned ascii_first(ascii_bytes v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    unsigned low = ascii_zeros(half[0]);
    return low < 8 ? low : 8 + ascii_zeros(half[1]);
}

/* Whether any byte is not 0. */
static inline bool ascii_any(ascii_bytes v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    return (half[0] | half[1]) != 0;
}

/* The upper bits of 8 bytes, that of the first in memory lowest. */
static inline unsigned ascii_bits_of(uint64_t word)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    uint64_t apart = (word >> 7 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080);
    return (unsigned)(apart >> 56);
}

/* The upper bit of each byte, that of the first in memory lowest: a mask as 16 bits. */
static inline unsigned ascii_bits(ascii_bytes v)
{
#if defined(__SSE2__)
    typedef char chars __attribute__((vector_size(ASCII_BYTES)));
    return (unsigned)__builtin_ia32_pmovmskb128((chars)v);
#else
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    return ascii_bits_of(half[0]) | ascii_bits_of(half[1]) << 8;
#endif
}

/* Length of the run of ASCII that begins s[0..n). */
static inline size_t ascii_run(const char *s, size_t n)
{
    size_t i = 0;
    for (; n - i >= ASCII_BYTES; i += ASCII_BYTES) {
        ascii_bytes high = ascii_load(s + i) & 0x80;
        if (ascii_any(high))
            return i + ascii_first(high);
    }
    while (i < n && (unsigned char)s[i] < 0x80)
        i++;
    return i;
}

#endif
