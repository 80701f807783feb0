/* blob_layout.h - where things are in a blob, for blob.c, blob_vocab.c and blob_write.c;
 * BLOB.md has the tables. */
#ifndef BLOB_LAYOUT_H
#define BLOB_LAYOUT_H

#include "blob/blob.h"

#define BLOB_MAGIC "BOLTMODL"

enum { /* the header */
       BLOB_AT_MAGIC = 0,
       BLOB_AT_VERSION = 8,
       BLOB_AT_HEADER_BYTES = 12,
       BLOB_AT_FILE_BYTES = 16,
       BLOB_AT_PAYLOAD_HASH = 24,
       BLOB_AT_N_SECTIONS = 32,
       BLOB_AT_ENTRY_BYTES = 36,
       BLOB_AT_ZERO = 40,
       BLOB_AT_HEADER_CHECK = 120,
       BLOB_HEADER_BYTES = 128,
       BLOB_ALIGN = 64
};

enum { /* an entry of the section table */
       BLOB_ENTRY_TYPE = 0,
       BLOB_ENTRY_INDEX = 4,
       BLOB_ENTRY_AT = 8,
       BLOB_ENTRY_BYTES = 16,
       BLOB_ENTRY_ENCODING = 24,
       BLOB_ENTRY_ALPHA = 28,
       BLOB_ENTRY_SIZE = 32
};

enum blob_section { BLOB_CONFIG = 1, BLOB_VOCAB = 2, BLOB_TENSOR = 3 };

/* Encodings of tensors; the first three are those of enum number_type. */
enum blob_encoding { BLOB_F32, BLOB_F16, BLOB_Q8, BLOB_TERNARY };

enum { /* the vocabulary section: head, merges, lengths of the tokens, their bytes */
       BLOB_VOCAB_KIND = 0, /* before version 4 of 4 bytes */
       BLOB_VOCAB_PRETOKENS = 2,
       BLOB_VOCAB_NORMALIZE = 4, /* in version 2 of 4 bytes */
       BLOB_VOCAB_LINES = 6,
       BLOB_VOCAB_N_TOKENS = 8,
       BLOB_VOCAB_N_MERGES = 12,
       BLOB_VOCAB_N_BYTES = 16,
       BLOB_VOCAB_FINGERPRINT = 24,
       BLOB_VOCAB_HEAD = 32,
       BLOB_VOCAB_LENGTH = 2,
       BLOB_MAX_SHORT_MERGES = 65280,   /* so many have sides of 2 bytes, more of 4 */
       BLOB_MAX_MERGED_BYTES = 16777216 /* of all merges' results together */
};

enum {
    BLOB_CONFIG_FIXED = 24, /* V D H K L T, then L dilations */
    BLOB_CONFIG_LATER = 16, /* of version 5: heads, key width, window, embed norm; L mixers */
    BLOB_MIXERS = 5         /* the version that has mixers */
};

static inline size_t blob_config_bytes(const struct dims *d, uint32_t version)
{
    size_t lists = version < BLOB_MIXERS ? 1 : 2;
    return BLOB_CONFIG_FIXED + 4 * lists * (size_t)d->L +
           (version < BLOB_MIXERS ? 0 : BLOB_CONFIG_LATER);
}

/* Bytes of the row scales that stand before the numbers of a Q8 tensor. */
static inline size_t blob_scales_bytes(const struct tensor *t)
{
    return ALIGN_UP(4 * t->shape[0], BLOB_ALIGN);
}

static inline size_t blob_tensor_bytes(const struct tensor *t, enum blob_encoding encoding)
{
    switch (encoding) {
    case BLOB_F16:
        return 2 * t->n;
    case BLOB_Q8:
        return blob_scales_bytes(t) + t->n;
    case BLOB_TERNARY:
        return t->shape[0] * blob_row_bytes(t->shape[1]);
    case BLOB_F32:
        break;
    }
    return 4 * t->n;
}

#endif
