/* batch.h - a few megabytes of stories, normalised, hashed and cut into words by all threads at
 * once.
 *
 * Words are looked up in a table that nobody changes meanwhile; those it lacks are left for the
 * caller, who goes through the stories in order and is the only one to give numbers. So nothing
 * depends on the number of threads. */
#ifndef BATCH_H
#define BATCH_H

#include "base/hash.h"
#include "corpus/stories.h"
#include "prep/words.h"

enum { BATCH_BYTES = 4 << 20, BATCH_STORIES = 4096, BATCH_GROUP = 32 };

struct batch_unknown { /* a word that had no number */
    size_t at;         /* its bytes in the group's text */
    size_t n;
    uint64_t hash;
};

struct batch_story {
    size_t n_bytes; /* normalised; 0 for an empty story */
    size_t n_chars;
    struct hash128 hash; /* of the normalised text */
    uint32_t *words;     /* [n_words], WORDS_NONE for each of its unknown words, in order */
    size_t n_words;
    const char *text; /* the group's text, which `unknown` points into */
    const struct batch_unknown *unknown;
};

struct batch_group {
    struct text_buf text; /* normalised stories, one after the other */
    uint32_t *words;
    size_t n_words, words_capacity;
    struct batch_unknown *unknown;
    size_t n_unknown, unknown_capacity;
};

struct batch { /* batch_init, then batch_release in any case */
    struct stories raw;
    struct batch_story stories[BATCH_STORIES];
    struct batch_group groups[BATCH_STORIES / BATCH_GROUP];
    uint64_t n_invalid;        /* U+FFFD put in by the last batch_process */
    const struct words *table; /* while it is worked on */
    enum vocab_pretokens pretokens;
};

void batch_init(struct batch *b);

/* Fills b->stories from b->raw. Words are those of whole stories, or of sentences. */
MUST_USE int batch_process(struct batch *b, struct pool *pool, struct vocab_form form,
                           enum vocab_pretokens pretokens, const struct words *table,
                           struct err *e);

/* Gives a story's unknown words their numbers, new ones where needed. */
MUST_USE int batch_resolve(struct batch_story *s, struct words *table, struct err *e);
void batch_release(struct batch *b);

#endif
