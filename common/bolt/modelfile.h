/* modelfile.h - a model file opened for use: weights and tokenizer together.
 *
 * Opens model.bolt blobs; nothing here needs SQLite, libarchive or a JSON reader. any.h opens
 * checkpoints too. */
#ifndef MODELFILE_H
#define MODELFILE_H

#include "format/blob.h"
#include "model/model.h"
#include "text/tokenizer.h"

struct modelfile {
    struct model model;
    struct vocab *vocab; /* points into blob, or owned by any.h */
    struct tokenizer *tokenizer;
    uint64_t vocab_fingerprint;
    struct blob blob;         /* zeroed when opened from a checkpoint */
    struct vocab owned_vocab; /* zeroed when opened from a blob */
};

/* Maps and checks the blob (blob_open); the model points into the map. Errors: those of blob_open,
 * and memory. */
MUST_USE int modelfile_open(struct modelfile *b, const char *path, struct err *e);
void modelfile_close(struct modelfile *b); /* safe on a zeroed struct */

/* The same for a blob in memory, as blob_read takes it. modelfile_release at the end. */
MUST_USE int modelfile_read(struct modelfile *b, const void *data, size_t size, const char *name,
                            struct err *e);
void modelfile_release(struct modelfile *b); /* safe on a zeroed struct */

#endif
