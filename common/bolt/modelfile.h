/* modelfile.h - the contents of a model file ready for use: weights and tokenizer together.
 *
 * Read from the bytes of a model.bolt; load/load.h fills it from files of any kind. */
#ifndef MODELFILE_H
#define MODELFILE_H

#include "blob/blob.h"
#include "model/model.h"
#include "text/tokenizer.h"

struct modelfile {
    struct model model;
    struct vocab *vocab; /* points into blob, or to owned_vocab */
    struct tokenizer *tokenizer;
    uint64_t vocab_fingerprint;
    struct blob blob;         /* zeroed when loaded from a checkpoint */
    struct vocab owned_vocab; /* zeroed when read from a blob */
    bool vocab_assumed;       /* the checkpoint does not say which it was trained with */
};

/* Checks the blob as blob_read does; the model points into `data`, which must outlive b. Errors:
 * those of blob_read. */
MUST_USE int modelfile_read(struct modelfile *b, const void *data, size_t size, const char *name,
                            struct err *e);
void modelfile_release(struct modelfile *b); /* safe on a zeroed struct */

#endif
