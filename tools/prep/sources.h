/* sources.h - what came from each file, row by row (struct intake). */
#ifndef SOURCES_H
#define SOURCES_H

#include "prep/intake.h"

/* Adds what came from the file `path`, whose base name stands in it: a row of the split that the
 * file is of, and one of the other if it has any of that. */
void sources_add(struct intake *in, const char *path, enum intake_split own,
                 const struct vocabdb_source rows[INTAKE_N_SPLITS]);

/* Sum over the rows of one split. */
struct vocabdb_source sources_total(const struct intake *in, enum intake_split split);

/* Moves the story at `place` among those for training to validation: from the row of its file to
 * the one after it, which is made if there is none. */
void sources_move(struct intake *in, uint64_t place, uint64_t n_chars, uint64_t n_bytes);

#endif
