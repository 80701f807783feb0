/* batch.h - a few megabytes of stories, normalised, hashed and cut into words by all threads at
 * once.
 *
 * A batch is cut into groups of a fixed number of stories; a group is one task, with memory of its
 * own. Words are looked up in a table that nobody changes meanwhile; those it lacks are left for
 * the caller, who goes through the stories in order and is the only one to give numbers. So nothing
 * depends on the number of threads. */
#ifndef BATCH_H
#define BATCH_H

#include "base/hash.h"
#include "base/pool.h"
#include "prep/words.h"
#include "text/normalize.h"

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
    struct normalize_stats stats;
    bool failed;
    struct err err;
};

struct batch { /* zero-initialise */
    char *raw; /* owned: stories as read, one after the other */
    size_t n_raw, capacity;
    size_t n_stories;
    size_t ends[BATCH_STORIES]; /* of each in raw */
    struct batch_story stories[BATCH_STORIES];
    struct batch_group groups[BATCH_STORIES / BATCH_GROUP];
    uint64_t n_invalid; /* U+FFFD put in by the last batch_process */
    /* while it is worked on */
    struct vocab_form form;
    const struct words *table;
    struct text_buf *scratch; /* owned, [n_scratch]: one a worker */
    size_t n_scratch;
};

/* Appends a raw story. batch_full tells when to process and then to clear. */
MUST_USE int batch_add(struct batch *b, const char *text, size_t n, struct err *e);
bool batch_full(const struct batch *b);
void batch_clear(struct batch *b);

/* Fills b->stories. */
MUST_USE int batch_process(struct batch *b, struct pool *pool, struct vocab_form form,
                           const struct words *table, struct err *e);

/* Gives a story's unknown words their numbers, new ones where needed. */
MUST_USE int batch_resolve(struct batch_story *s, struct words *table, struct err *e);
void batch_release(struct batch *b);

#endif
