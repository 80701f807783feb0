/* there.h - what is already in the folder that --append adds to. */
#ifndef THERE_H
#define THERE_H

#include "format/shardset.h"
#include "prep/storyset.h"
#include "text/normalize.h"
#include "text/vocab.h"

/* A single text that prep has cut in two: the one training story that a folder, or a part, began
 * with, and the one for validation. */
struct there_cut {
    struct text_buf text; /* owned: both, one after the other */
    size_t n_first;       /* bytes of the first */
};

struct there { /* there_close in any case */
    struct shardlist list;
    struct shardset sets[SHARDLIST_N_SPLITS];
    const struct vocab *vocab;
    bool is_open;
    struct there_cut cuts[SHARDLIST_MAX_PARTS]; /* [n_cuts], after there_stories */
    size_t n_cuts;
};

/* Opens the folder with its vocabulary, which must outlive it. Nobody else may be writing to it
 * (claim_folder). */
MUST_USE int there_open(struct there *t, const char *folder, const struct vocab *vocab,
                        struct err *e);
void there_close(struct there *t);

/* Puts every story of both splits into the set, as the hash of its normalised text, and those of
 * validation into `held` as well. A story with UNK, whose text cannot be known from its tokens, is
 * left out: it is never taken for a duplicate. */
MUST_USE int there_stories(struct there *t, struct storyset *seen, struct storyset *held,
                           struct err *e);

/* Whether a normalised text is one that was cut in two: both pieces, and between them nothing but
 * white space. */
bool there_is_cut(const struct there *t, const char *text, size_t n);

/* Stories of a split, and of one part of it unless part is NULL. */
uint64_t there_count(const struct there *t, enum shardlist_split split, const char *part);

#endif
