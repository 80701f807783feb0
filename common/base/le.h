/* le.h - little-endian integers in byte buffers, whatever the alignment. */
#ifndef LE_H
#define LE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file formats are memory-mapped little-endian; a big-endian port needs conversions here"
#endif

static inline uint16_t le_get16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t le_get32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t le_get64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void le_put16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void le_put32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void le_put64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

#endif
