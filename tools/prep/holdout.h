/* holdout.h - a hold-out is at least one story, and of a single text a piece of it.
 *
 * A share of few stories may be empty. Then the story that the next larger share would have
 * held out is moved, with all that equal it: the one with the smallest hash, so that the order of
 * the stories does not matter here either. One that also stands before these, where duplicates are
 * kept, stays: it would be on both sides. */
#ifndef HOLDOUT_H
#define HOLDOUT_H

#include "base/hash.h"
#include "format/vocabdb.h"
#include "prep/spool.h"
#include "prep/words.h"

struct holdout { /* zero-initialise */
    uint64_t n_seen;
    uint64_t n_equal;    /* stories of these that are the one below */
    struct hash128 hash; /* of the story with the smallest one so far */
    uint32_t *words;     /* owned: the story itself, [n_words] */
    size_t n_words, capacity;
};

struct holdout_story {
    struct hash128 hash;
    const uint32_t *words; /* [n_words] */
    size_t n_words;
    bool is_new; /* it was not seen before, here or among the stories before these */
};

/* Looks at a story for training. */
MUST_USE int holdout_see(struct holdout *h, const struct holdout_story *story, struct err *e);

/* Moves the story from one spool to the other, unless no other would be left: it is subtracted from
 * the counts of its words, and moved(context, place among the training stories, characters, bytes)
 * is called. Those before place `first` stay, as do those before the last cut of the spool: `words`
 * are those after it. n_head is the number of stories that count_head counts. */
MUST_USE int holdout_move(const struct holdout *h, struct spool *train, struct spool *valid,
                          size_t n_cuts, struct words *words, uint64_t first, uint64_t n_head,
                          void (*moved)(void *context, uint64_t place, uint64_t n_chars,
                                        uint64_t n_bytes),
                          void *context, struct err *e);

void holdout_release(struct holdout *h);

/* Where the held-out piece of a single text begins: after the line end nearest before the last
 * `fraction` of it, or else after the next one; n if it has no line end to cut at. Its last line
 * counts with one line end, whatever follows it: normalised text has none there. */
size_t holdout_cut(const char *text, size_t n, double fraction);

#endif
