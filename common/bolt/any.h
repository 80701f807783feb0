/* any.h - opens a model for sample and eval, whatever file holds it. */
#ifndef ANY_H
#define ANY_H

#include "bolt/modelfile.h"
#include "format/ckpt.h"

/* The model file that path means, a copy the caller frees: in a directory of checkpoints
 * best.safetensors if it is good, else the newest good step-*.safetensors; anything else is itself.
 */
MUST_USE int any_find(const char *path, char **found, struct err *e);

/* path (as any_find takes it): a blob, or a checkpoint together with the vocabulary database
 * vocab_path. Told apart by content. Errors: a checkpoint without vocab_path, a vocabulary of
 * another size or fingerprint than the checkpoint was trained with, and all of modelfile_open,
 * ckpt_open and vocabdb_load. A blob given with a vocab_path must match it too. The vocabulary's
 * merges are dropped, the tokenizer being made. modelfile_close at the end. */
MUST_USE int any_open(struct modelfile *b, const char *path, const char *vocab_path,
                      const struct kern *k, struct err *e);

/* The two halves of a checkpoint for use, path being its name for messages: its weights packed, and
 * its vocabulary out of vocab_path, checked. model_release and vocab_release at the end. */
MUST_USE int any_model(struct model *m, const struct ckpt *c, const char *path,
                       const struct kern *k, struct err *e);
MUST_USE int any_vocab(struct vocab *v, const struct ckpt *c, const char *path,
                       const char *vocab_path, struct err *e);

#endif
