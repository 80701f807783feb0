/* tokenizer_json.h - a vocabulary as a tokenizer.json, the file of Hugging Face's tokenizers. */
#ifndef TOKENIZER_JSON_H
#define TOKENIZER_JSON_H

#include "os/file_set.h"
#include "text/vocab.h"

/* Writes a file that gives every valid text the ids that tokenizer.h gives it, after an EOS where
 * special tokens are asked for. Where they must differ, the ids of GPT-2's tokens that a gpt2
 * vocabulary does not keep are n_tokens and above, in the order of their bytes, in place of UNK. v
 * has its merges.
 *
 * Errors: a token of text that is spelt like a special one; those of files. */
MUST_USE int tokenizer_json_write(const char *path, const struct vocab *v, struct file_set *files,
                                  struct err *e);

#endif
