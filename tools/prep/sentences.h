/* sentences.h - the sentences of stories that are stored as words (spool.h), each as the symbols
 * that merges inside words make of it (tokenizer.h). */
#ifndef PREP_SENTENCES_H
#define PREP_SENTENCES_H

#include "prep/encode.h"

/* Appends the symbols of the next sentence to out. *p is at the first of *n_words > 0 words left of
 * a story, as spool_add wrote them; both move on. `scratch` is overwritten. -1 only when out of
 * memory. */
MUST_USE int sentences_next(const struct encode_words *w, struct text_buf *scratch,
                            const unsigned char **p, uint64_t *n_words, struct token_buf *out,
                            struct err *e);

#endif
