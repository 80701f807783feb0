/* lexicon.h - the distinct words of the corpus, in no more than so much memory.
 *
 * Stories are parked as numbers of words (spool.h). When there are too many distinct words, the
 * rare ones go and the rest get new numbers. This ends a segment of the stories, in every spool:
 * the words that it is parked with are written to a temporary file and read back when its stories
 * are encoded. So nothing is lost but the counts of rare words, and the vocabulary is learned
 * without them: for it such a word has never occurred. Where this happens depends on the stories
 * alone.
 *
 * One thread at a time changes it. Any threads may look words up in the table of the present
 * segment meanwhile, or in one that they found there before. */
#ifndef LEXICON_H
#define LEXICON_H

#include <stdatomic.h>
#include <stdio.h>

#include "prep/words.h"

struct lexicon {                 /* zero-initialise */
    struct words *_Atomic words; /* owned: those of the present segment, the last one */
    size_t most;                 /* words at once */
    size_t n_ended;              /* segments before it */
    const char *folder;
    FILE *file;         /* their words, one segment after the other */
    long *places;       /* owned, [n_ended]: where each begins */
    size_t capacity;    /* of places */
    struct words **old; /* owned, [n_old]: tables that somebody may still be in */
    size_t n_old, old_capacity;
};

/* Holds about `most` words at once, and 64 bytes of text for each; the temporary file, if there
 * comes to be one, is in `folder`. lexicon_release in any case. */
MUST_USE int lexicon_init(struct lexicon *l, size_t most, const char *folder, struct err *e);
void lexicon_release(struct lexicon *l);

/* Whether it is time for lexicon_prune. */
bool lexicon_is_full(const struct lexicon *l);

/* Ends the segment. The new one has at most half of the words, and l->words is another table. */
MUST_USE int lexicon_prune(struct lexicon *l, struct err *e);

/* Gives back the memory of tables that l->words was before: nobody is in them any more. */
void lexicon_forget(struct lexicon *l);

/* At least one. */
size_t lexicon_segments(const struct lexicon *l);

/* The words of a segment that has ended, which cannot be looked up. In the sum over all segments
 * every word has all its counts. words_release(w) in any case. */
MUST_USE int lexicon_read(const struct lexicon *l, size_t segment, struct words *w, struct err *e);

#endif
