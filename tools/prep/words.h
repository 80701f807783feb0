/* words.h - the distinct pre-tokens of the corpus, each with a number in order of first appearance
 * and its counts in the training stories.
 *
 * One thread at a time adds words and touches what is in the struct. Any threads may look words up
 * meanwhile: they find all words that were there when they began, and perhaps some that were not.
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
    struct words_index *index; /* owned */
};

/* Makes it ready for threads that look up before the first word is added. words_release in any
 * case. */
MUST_USE int words_init(struct words *w, struct err *e);

/* Number of the word, WORDS_NONE if it has none. hash is hash64 of its bytes. */
uint32_t words_find(const struct words *w, const char *bytes, size_t n, uint64_t hash);

/* Number of the word, a new one if it has none; the bytes are copied. */
MUST_USE int words_add(struct words *w, const char *bytes, size_t n, uint64_t hash,
                       uint32_t *number, struct err *e);
void words_release(struct words *w);

#endif
