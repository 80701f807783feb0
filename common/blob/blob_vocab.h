/* blob_vocab.h - the vocabulary section of a blob, for blob.c and blob_write.c; BLOB.md has its
 * tables. */
#ifndef BLOB_VOCAB_H
#define BLOB_VOCAB_H

#include "blob/blob.h"

/* Checks the n bytes of the section, as b->version has them, and fills b's vocab, vocab_fingerprint
 * and tokenizer, for b->dims.V tokens. Their bytes stay in the section. Messages begin with `path`;
 * what a failure leaves in b is freed with b. */
MUST_USE int blob_vocab_read(struct blob *b, const unsigned char *section, size_t n,
                             const char *path, struct err *e);

/* The oldest version of a blob that can hold v. */
uint32_t blob_vocab_version(const struct vocab *v);

/* Size of the section for v. */
size_t blob_vocab_bytes(const struct vocab *v);

/* Checks v and writes the section to p, which is zeroed. Errors: what vocab_check finds; more than
 * BLOB_MAX_MERGED_BYTES; out of memory. */
MUST_USE int blob_vocab_put(unsigned char *p, const struct vocab *v, const char *path,
                            struct err *e);

#endif
