/* sources.h - what came from each file, row by row (struct intake). */
#ifndef SOURCES_H
#define SOURCES_H

#include "prep/intake.h"

/* Sum over the rows of one split. */
struct vocabdb_source sources_total(const struct intake *in, enum intake_split split);

/* Moves the story at `place` among those for training to validation: from the row of its file to
 * the one after it, which is made if there is none. */
void sources_move(struct intake *in, uint64_t place, uint64_t n_chars, uint64_t n_bytes);

#endif
