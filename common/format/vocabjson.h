/* vocabjson.h - a vocabulary from a tokenizer.json, the file of Hugging Face's tokenizers. */
#ifndef VOCABJSON_H
#define VOCABJSON_H

#include "text/vocab.h"

/* Reads byte-level BPE: a file of `export --format tokenizer.json` gives the vocabulary that it was
 * made of (but for its counts, which are 0), another one those of its tokens that are not special,
 * in the order of its ids, after our four. `size`, unless 0 (5..65536), is how many tokens are
 * kept, the specials included: where there are more, the kind is VOCAB_GPT2 and the rest become
 * UNK. With `exact` the rest must then be in the order of its bytes, as export writes what a
 * vocabulary does not keep: another file is not that of a model of `size` tokens.
 *
 * Errors name the file and what is not byte-level BPE as tokenizer.h does it: another model,
 * normalizer or pre-tokenizer, added tokens of text, names that stand for no bytes, ids given
 * twice; and those of vocab_check. vocab_release(v) at the end. */
MUST_USE int vocabjson_load(struct vocab *v, const char *path, uint32_t size, bool exact,
                            struct err *e);

#endif
