/* words.h - the distinct pre-tokens of the corpus, each with a number in order of first appearance
 * and its counts in the training stories. Looking up is safe in many threads while nobody adds. */
#ifndef WORDS_H
#define WORDS_H

#include "base/err.h"
#include "prep/pretokens.h"

#define WORDS_NONE UINT32_MAX

struct words {              /* zero-initialise */
    struct pretoken *items; /* owned, [n]; counts are 0 for words of validation stories alone */
    uint64_t *hashes;       /* owned, [n] */
    uint32_t n;
    uint32_t capacity;
    uint32_t *slots;            /* owned; number of a word or WORDS_NONE */
    size_t n_slots;             /* a power of two */
    struct words_block *blocks; /* owned: the bytes */
};

/* Number of the word, WORDS_NONE if it has none. hash is hash64 of its bytes. */
uint32_t words_find(const struct words *w, const char *bytes, size_t n, uint64_t hash);

/* Number of the word, a new one if it has none; the bytes are copied. */
MUST_USE int words_add(struct words *w, const char *bytes, size_t n, uint64_t hash,
                       uint32_t *number, struct err *e);
void words_release(struct words *w);

#endif
