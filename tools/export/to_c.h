/* to_c.h - a model as C source for firmware: weights, vocabulary and the scalar runtime (runtime.h)
 * in one file, its interface and sizes in a header beside it. */
#ifndef TO_C_H
#define TO_C_H

#include "model/model.h"
#include "os/file_set.h"
#include "text/vocab.h"

struct to_c_options {
    const char *name;           /* what the names of the model begin with; csource_is_name */
    enum number_type embed;     /* storage of the embedding */
    uint64_t vocab_fingerprint; /* as the blob, shards and checkpoints state it */
};

struct to_c_sizes {
    uint64_t ram_bytes; /* of struct NAME */
    uint64_t ram_bytes_no_logits;
    uint64_t flash_bytes; /* of all constant arrays */
};

/* Writes path and its header into the set. The same model and vocabulary give the same bytes.
 * An embedding already stored as asked for is taken as it is, another rounded as a blob's writer
 * does. The text computes the logits of MODEL_EXACT (model/infer.h) to the bit. Errors: writing;
 * numbers that are not finite or, as f16, too large; a model whose RAM cannot be counted in 31
 * bits. */
MUST_USE int to_c(const struct model *m, const struct vocab *v, const struct to_c_options *o,
                  const char *path, struct to_c_sizes *sizes, struct file_set *files,
                  struct err *e);

#endif
