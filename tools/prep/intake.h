/* intake.h - reads all inputs once: stories normalised, duplicates dropped, split into training and
 * validation, their words counted, and stored in a spool each. */
#ifndef INTAKE_H
#define INTAKE_H

#include "base/pool.h"
#include "format/vocabdb.h"
#include "prep/batch.h"
#include "prep/lexicon.h"
#include "prep/options.h"
#include "prep/spool.h"
#include "prep/storyset.h"
#include "prep/there.h"

enum intake_split { INTAKE_TRAIN, INTAKE_VALID, INTAKE_N_SPLITS };
extern const char *const intake_split_names[INTAKE_N_SPLITS]; /* "train", "valid" */

struct intake {
    struct lexicon lexicon; /* of the spools */
    struct spool spools[INTAKE_N_SPLITS];
    struct vocabdb_source
        *sources; /* owned, [n_sources]: a row for each file and split with stories */
    size_t n_sources;
    uint64_t ends[INTAKE_N_SPLITS][SHARDLIST_MAX_PARTS]; /* stories in a spool where a part ends */
    uint64_t n_overlap; /* validation stories that also stand in training */
    uint64_t raw_bytes; /* of all stories, as read */
    struct corpus_counts counts;
    double seconds;
};

/* Reads all inputs of o; stories are normalised to `form` and cut into words as `pretokens` says.
 * Errors: those of corpus_read; no story for training, or with --valid none for validation; a full
 * disk. Where stories are added to `there`, which may be NULL, a story that it already has is a
 * duplicate, and there may be no new one. intake_release in any case. */
MUST_USE int intake_run(struct intake *in, const struct prep_options *o, struct vocab_form form,
                        enum vocab_pretokens pretokens, struct there *there, struct pool *pool,
                        struct err *e);
void intake_release(struct intake *in);

#endif
