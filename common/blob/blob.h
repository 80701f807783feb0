/* blob.h - the bytes of a model.bolt: one self-contained, mappable image of a packed model.
 * Specification: BLOB.md. Nothing here knows files; format/blob_file.h does.
 *
 * Config, tokenizer and weights. Ternary tensors hold 4 weights a byte, row-major, rows padded to
 * whole bytes: column c of a row is bits 2*(c%4).. of byte c/4; codes 0, 1, 2 mean -1, 0, +1; 3 is
 * invalid, and pad codes are 1. */
#ifndef BLOB_H
#define BLOB_H

#include "base/number.h"
#include "dims/dims.h"
#include "text/tokenizer.h"

enum { BLOB_OLDEST = 2, BLOB_VERSION = 5 }; /* versions that are read */

/* One tensor as it stands in the file; data 64-byte aligned inside it. */
struct blob_tensor {
    const void *data;
    const float *row_scales; /* NUMBER_Q8 embedding only: [V] */
    float alpha;             /* ternary tensors: weight = alpha * (code - 1) */
};

struct blob {
    const unsigned char *data; /* all of it, the caller's */
    size_t size;
    uint32_t version;
    struct dims dims;
    enum number_type embed;
    struct vocab vocab;          /* tokens point into data */
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

/* Builds a blob of d in memory: *image, n_bytes long, which the caller frees. For each tensor: f32
 * data, or packed codes with alpha for ternary ones. The version is the oldest that can hold d and
 * v. *fingerprint may be NULL. Errors, which begin with `name`: a vocabulary of another size or one
 * that vocab_check refuses, impossible weights, memory. */
MUST_USE int blob_build(const char *name, const struct dims *d, enum number_type embed,
                        const struct vocab *v, const struct blob_tensor *tensors,
                        unsigned char **image, size_t *n_bytes, uint64_t *fingerprint,
                        struct err *e);

/* Checks every byte of a blob in memory once: header, hash, sections, codes, finite scales,
 * vocabulary. `data` is aligned to 8 bytes and must outlive b; messages begin with `name`.
 * blob_release at the end. */
MUST_USE int blob_read(struct blob *b, const void *data, size_t size, const char *name,
                       struct err *e);
void blob_release(struct blob *b); /* safe on a zeroed struct */

/* True if the n bytes begin as a blob does. */
bool blob_probe(const void *data, size_t n);

#endif
