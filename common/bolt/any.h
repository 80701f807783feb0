/* any.h - opens a model for sample and eval, whatever file holds it. */
#ifndef ANY_H
#define ANY_H

#include "bolt/bolt.h"

/* A blob, or a checkpoint together with the vocabulary database vocab_path. Told apart by content.
 * Errors: a checkpoint without vocab_path, a vocabulary of another size or fingerprint than the
 * checkpoint was trained with, and all of bolt_open, ckpt_open and vocabdb_load. A blob given with a
 * vocab_path must match it too. bolt_close at the end. */
MUST_USE int any_open(struct bolt *b, const char *path, const char *vocab_path, const struct kern *k,
                      struct err *e);

#endif
