/* load.h - a model out of files: a model.bolt, or a checkpoint and its vocabulary. */
#ifndef LOAD_H
#define LOAD_H

#include "bolt/modelfile.h"
#include "format/ckpt.h"

/* The model file that path means, a copy the caller frees: in a directory of checkpoints
 * best.safetensors if it is good, else the newest good step-*.safetensors; anything else is itself.
 */
MUST_USE int load_find(const char *path, char **found, struct err *e);

/* path (as load_find takes it): a blob, or a checkpoint together with the vocabulary database
 * vocab_path. The kind is detected from the content. Errors: a checkpoint without vocab_path, a
 * vocabulary of another size or fingerprint than the checkpoint was trained with, and all of
 * load_blob, ckpt_open and vocabdb_load. A blob given with a vocab_path must match it too. The
 * vocabulary's merges are dropped, since the tokenizer is made. load_close at the end. */
MUST_USE int load_open(struct modelfile *b, const char *path, const char *vocab_path,
                       const struct kern *k, struct err *e);

/* A model.bolt alone: maps the file and reads it (modelfile_read). load_close at the end. */
MUST_USE int load_blob(struct modelfile *b, const char *path, struct err *e);

/* Of what load_open or load_blob filled; safe on a zeroed struct. */
void load_close(struct modelfile *b);

/* The two halves of a checkpoint for use, path being its name for messages: its weights packed, and
 * its vocabulary out of vocab_path, checked. model_release and vocab_release at the end. */
MUST_USE int load_model(struct model *m, const struct ckpt *c, const char *path,
                        const struct kern *k, struct err *e);
MUST_USE int load_vocab(struct vocab *v, const struct ckpt *c, const char *path,
                        const char *vocab_path, struct err *e);

#endif
