/* kind.h - what a file is, by its first bytes. */
#ifndef KIND_H
#define KIND_H

#include "base/err.h"

enum kind {
    KIND_OTHER,
    KIND_EMPTY,
    KIND_BLOB,        /* model.bolt */
    KIND_SAFETENSORS, /* a checkpoint, or weights of another program */
    KIND_SHARD,
    KIND_VOCAB /* an SQLite database */
};

/* "a model blob", ...; NULL of those that are nothing of ours. */
const char *kind_text(enum kind kind);

enum kind kind_of(const void *data, size_t n);

/* Of a file, which is looked at once. Errors: those of file_map. *size may be NULL. */
MUST_USE int kind_of_file(const char *path, enum kind *kind, size_t *size, struct err *e);

#endif
