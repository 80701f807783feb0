/* counted.h - texts as the vocabulary trainers take them: distinct pre-tokens with counts. */
#ifndef COUNTED_H
#define COUNTED_H

#include "prep/words.h"

/* Adds the pre-tokens of one story to the table, each to both of its counts. Failures fail the
 * test. */
void counted_add(struct words *w, const char *text, size_t n);

/* The table as the trainers take it. */
struct pretokens counted_all(const struct words *w, uint64_t n_stories);

/* Calls `story` with every normalised (NFC) story of $TINYSTORIES_DIR/valid.txt.gz; returns how
 * many, 0 if the variable is not set. */
typedef void counted_story(void *context, const char *text, size_t n);
size_t counted_tinystories(counted_story *story, void *context);

#endif
