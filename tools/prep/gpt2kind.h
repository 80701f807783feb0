/* gpt2kind.h - what a file is that was given as one of GPT-2's and is not, for the error. */
#ifndef GPT2KIND_H
#define GPT2KIND_H

#include "base/base.h"

/* What the n bytes of a file look like, fit to follow "this is": "a tokenizer.json (...)". NULL if
 * nothing is known about them. */
const char *gpt2kind_of(const void *data, size_t n);

/* Bytes of the byte-order mark (0 or 3) that the file begins with. */
size_t gpt2kind_mark(const void *data, size_t n);

#endif
