/* words.h - the distinct pre-tokens of the corpus, each with a number in order of first appearance
 * and its counts in the training stories.
 *
 * One thread at a time adds words and uses the struct. Meanwhile any thread may look words up: it
 * finds all words that were there when it began, and perhaps some newer ones.
 */
#ifndef WORDS_H
#define WORDS_H

#include "base/err.h"
#include "prep/pretokens.h"

#define WORDS_NONE UINT32_MAX

struct words {              /* zero-initialise */
    struct pretoken *items; /* owned, [n]; counts are 0 for words of validation stories alone */
    uint32_t n;
    uint32_t capacity;
    size_t segment;            /* of the lexicon that it is of (lexicon.h) */
    struct words_index *index; /* owned; NULL: no word can be looked up */
    char *texts;               /* owned: those of a struct without an index */
    size_t text_bytes;         /* that texts in the index take */
};

/* Makes it ready for threads that look up before the first word is added. words_release in any
 * case. */
MUST_USE int words_init(struct words *w, struct err *e);

/* Number of the word, WORDS_NONE if it has none. hash is hash64 of its bytes. */
uint32_t words_find(const struct words *w, const char *bytes, size_t n, uint64_t hash);

/* Number of the word, a new one if it has none; the bytes are copied. */
MUST_USE int words_add(struct words *w, const char *bytes, size_t n, uint64_t hash,
                       uint32_t *number, struct err *e);

/* Makes `kept` of the words that occur most often: all that occur more than some number of times,
 * as many as have at most `most` words and text_bytes bytes together, in the order that they have
 * in w. They keep their counts, which are 0 in w afterwards. words_release(kept) in any
 * case. */
MUST_USE int words_keep(struct words *w, size_t most, size_t text_bytes, struct words *kept,
                        struct err *e);

void words_release(struct words *w);

#endif
