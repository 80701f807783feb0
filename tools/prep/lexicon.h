/* lexicon.h - the distinct words of the corpus, in bounded memory.
 *
 * Stories are stored as numbers of words (spool.h). When there are too many distinct words, the
 * rare ones are dropped and the rest get new numbers. This ends a segment of the stories, in every
 * spool: its words are written to a temporary file and read back when its stories are encoded. So
 * only the counts of rare words are lost, and the vocabulary is learned as if such a word had never
 * occurred. Where this happens depends on the stories alone.
 *
 * One thread at a time changes it. Meanwhile any thread may look words up in the table of the
 * current segment, or in an earlier one. */
#ifndef LEXICON_H
#define LEXICON_H

#include <stdatomic.h>
#include <stdio.h>

#include "prep/words.h"

struct lexicon {                 /* zero-initialise */
    size_t most;                 /* words at once */
    struct words *_Atomic words; /* owned: those of the current segment, the last one */
    size_t n_ended;              /* segments before it */
    const char *folder;
    FILE *file;         /* their words, one segment after the other */
    long *places;       /* owned, [n_ended]: where each begins */
    size_t capacity;    /* of places */
    struct words **old; /* owned, [n_old]: tables that a thread may still use */
    size_t n_old, old_capacity;
};

/* Holds about `most` words at once, and 64 bytes of text for each; the temporary file, if one is
 * needed, is in `folder`. lexicon_release in any case. */
MUST_USE int lexicon_init(struct lexicon *l, size_t most, const char *folder, struct err *e);
void lexicon_release(struct lexicon *l);

/* Whether it is time for lexicon_prune. */
bool lexicon_is_full(const struct lexicon *l);

/* Ends the segment. The new one has at most half of the words, and l->words is another table, which
 * may have the address of one that was freed: its segment tells it from all others. */
MUST_USE int lexicon_prune(struct lexicon *l, struct err *e);

/* Frees earlier tables of l->words, which no thread uses any more. */
void lexicon_forget(struct lexicon *l);

/* At least one. */
size_t lexicon_segments(const struct lexicon *l);

/* The words of a segment that has ended, which cannot be looked up. In the sum over all segments
 * every word has all its counts. words_release(w) in any case. */
MUST_USE int lexicon_read(const struct lexicon *l, size_t segment, struct words *w, struct err *e);

#endif
