/* prep.h - the whole of prep: read, learn, encode, put in place. */
#ifndef PREP_H
#define PREP_H

#include "os/plan.h"
#include "prep/claim.h"
#include "prep/encode.h"
#include "prep/intake.h"
#include "prep/options.h"

/* What a plan tells apart. */
enum prep_phase { PREP_READ, PREP_LEARN, PREP_WRITE, PREP_N_PHASES };
extern const char *const prep_phases[PREP_N_PHASES];

struct prep {
    const struct prep_options *o;
    struct pool *pool;
    struct plan *plan; /* that the pool is, with o->plan_threads; else NULL */
    struct vocab vocab;
    struct claim claim;
    struct there there; /* with --append */
    struct intake intake;
    struct encode_words words;
    struct encode_words tokens; /* of the training stories, where superwords were learned */
    struct encode_counts counts[INTAKE_N_SPLITS];
    struct prep_part {
        uint64_t n_stories, n_tokens;
    } parts[INTAKE_N_SPLITS][SHARDLIST_MAX_PARTS]; /* of o->parts, written */
    struct shardlist list;                         /* of the folder as it is then */
    uint64_t fingerprints[INTAKE_N_SPLITS];        /* of the splits, with what was there */
    double learn_seconds, encode_seconds, seconds;
};

/* Writes vocab.db and the shards, each whole or not at all, and only when all are complete; where
 * there is a list of them (SHARD.md), it comes last. With --append new shards, and then the list.
 * prep_release in any case. */
MUST_USE int prep_run(struct prep *p, const struct prep_options *o, struct err *e);
void prep_release(struct prep *p);

/* Reads o->vocab, which is set. Its normalisation must be that of o, if that was given.
 * vocab_release(v) at the end, not on failure. */
MUST_USE int prep_load_vocabulary(const struct prep_options *o, struct vocab *v, struct err *e);

#endif
