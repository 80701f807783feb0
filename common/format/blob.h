/* blob.h - model.bolt: one self-contained, mmap-able file of a packed model. Specification:
 * BLOB.md.
 *
 * Config, tokenizer and weights. Ternary tensors hold 4 weights a byte, row-major, rows padded to
 * whole bytes: column c of a row is bits 2*(c%4).. of byte c/4; codes 0, 1, 2 mean -1, 0, +1; 3 is
 * invalid, and pad codes are 1. */
#ifndef BLOB_H
#define BLOB_H

#include "os/file.h"
#include "base/number.h"
#include "dims/dims.h"
#include "text/tokenizer.h"

enum { BLOB_VERSION = 2 };

/* One tensor as it stands in the file; data 64-byte aligned inside the map. */
struct blob_tensor {
    const void *data;
    const float *row_scales; /* NUMBER_Q8 embedding only: [V] */
    float alpha;             /* ternary tensors: weight = alpha * (code - 1) */
};

struct blob {
    struct file_map map; /* zeroed where the memory is the caller's */
    struct dims dims;
    enum number_type embed;
    struct vocab vocab;          /* tokens point into the map */
    struct blob_tensor *tensors; /* [dims_n_tensors], in that order */
    uint64_t fingerprint;        /* of the payload */
    uint64_t vocab_fingerprint;
    struct tokenizer *tokenizer; /* of vocab; made while that is checked */
};

/* Bytes of one packed row of `cols` ternary weights. */
static inline size_t blob_row_bytes(size_t cols)
{
    return DIV_UP(cols, 4);
}

/* What blob_write takes for each tensor: f32 data, or packed codes with alpha for ternary ones. */
MUST_USE int blob_write(const char *path, const struct dims *d, enum number_type embed,
                        const struct vocab *v, const struct blob_tensor *tensors,
                        uint64_t *fingerprint, struct err *e);

/* Checks every byte of a blob in memory once: header, hash, sections, codes, finite scales,
 * vocabulary. `data` is aligned to 8 bytes and must outlive b; messages begin with `name`.
 * blob_release at the end. */
MUST_USE int blob_read(struct blob *b, const void *data, size_t size, const char *name,
                       struct err *e);
void blob_release(struct blob *b); /* safe on a zeroed struct */

/* The same for a file, which is mapped. blob_close at the end. */
MUST_USE int blob_open(struct blob *b, const char *path, struct err *e);
void blob_close(struct blob *b); /* safe on a zeroed struct */
bool blob_probe(const char *path);

#endif
