/* signed.h - damaged model files with right hashes, for readers to get beyond these. */
#ifndef SIGNED_H
#define SIGNED_H

#include "base/hash.h"
#include "base/le.h"
#include "blob/blob_layout.h"
#include "fuzz/fuzz.h"

/* A copy on the heap, exactly as long, with the hashes put right if there is room for them. */
static inline unsigned char *signed_copy(const void *data, size_t n)
{
    unsigned char *copy = fuzz_alloc(n);

    if (n > 0)
        memcpy(copy, data, n);
    if (n >= BLOB_HEADER_BYTES) {
        le_put64(copy + BLOB_AT_PAYLOAD_HASH,
                 hash64(copy + BLOB_HEADER_BYTES, n - BLOB_HEADER_BYTES));
        le_put64(copy + BLOB_AT_HEADER_CHECK, hash64(copy, BLOB_AT_HEADER_CHECK));
    }
    return copy;
}

#endif
