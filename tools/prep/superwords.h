/* superwords.h - learns superwords from stories that are stored as words: the second phase of a
 * vocabulary (supertrain.h), on about SUPERWORDS_CELLS symbols for each token to learn, and on no
 * more than SUPERWORDS_MOST. Sentences are chosen evenly, if that is less than there are. */
#ifndef SUPERWORDS_H
#define SUPERWORDS_H

#include "prep/encode.h"

enum { SUPERWORDS_CELLS = 1024, SUPERWORDS_MOST = 1 << 24 };

/* Goes on from v, a vocabulary of words, to one of vocab_size tokens, of fewer if the sentences
 * yield no more: ids in descending frequency in the stories as encoded, ties by bytes, counts those
 * of the stories. The spool, whose words are those of the lexicon, holds on return the tokens of
 * the stories instead of words; `tokens` makes ids of them, and is to be released in any case. -1
 * when out of memory or where the spool cannot be read or written; v is as it was then. */
MUST_USE int superwords_learn(struct vocab *v, uint32_t vocab_size, const struct lexicon *lexicon,
                              struct spool *spool, struct encode_words *tokens, struct pool *pool,
                              struct err *e);

#endif
