/* batch.h - some hundred kilobytes of stories, normalised, hashed and cut into words by one thread,
 * while others do so with other batches.
 *
 * Words are looked up in a table that grows meanwhile. Those it lacks are left for the caller,
 * which alone assigns numbers, batch by batch in order. So nothing depends on the number of
 * threads. */
#ifndef BATCH_H
#define BATCH_H

#include "base/hash.h"
#include "corpus/stories.h"
#include "prep/wordcache.h"
#include "prep/words.h"

enum { BATCH_BYTES = 512 << 10, BATCH_STORIES = 2048 };

struct batch_unknown { /* a word that had no number */
    size_t at;         /* its bytes in the story's text */
    size_t n;
    uint64_t hash;
};

struct batch_story {
    size_t n_bytes; /* normalised; 0 for an empty story */
    size_t n_chars;
    struct hash128 hash; /* of the normalised text */
    uint32_t *words;     /* [n_words], WORDS_NONE for each of its unknown words, in order */
    size_t n_words;
    const char *text;                    /* normalised; only where a word is unknown */
    const struct batch_unknown *unknown; /* [n_unknown] */
    size_t n_unknown;
};

struct batch { /* batch_init, then batch_release in any case */
    struct stories raw;
    struct batch_story stories[BATCH_STORIES]; /* [raw.n] */
    size_t segment;                            /* of the table that words have their numbers in */
    uint64_t n_invalid;                        /* U+FFFD put in */
    struct text_buf text; /* owned: texts of stories that are not as they were read */
    uint32_t *words;      /* owned, as is unknown: those of all stories */
    size_t n_words, words_capacity;
    struct batch_unknown *unknown;
    size_t n_unknown, unknown_capacity;
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);

/* What a thread keeps between batches. Zero-initialise; batch_worker_release at the end. */
struct batch_worker {
    size_t segment; /* of the table that the cache is of */
    struct wordcache cache;
    struct unicode_scratch unicode;
    struct text_buf text;
};
void batch_worker_release(struct batch_worker *w);

/* Fills b from b->raw, which stays as it is. Words are those of whole stories, or of sentences. */
MUST_USE int batch_process(struct batch *b, struct batch_worker *w, struct vocab_form form,
                           enum vocab_pretokens pretokens, const struct words *table,
                           struct err *e);

/* Gives a story's unknown words their numbers, new ones where needed, in the table of its batch. */
MUST_USE int batch_resolve(struct batch_story *s, struct words *table, struct err *e);

#endif
