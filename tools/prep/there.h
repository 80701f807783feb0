/* there.h - what is already in the folder that --append adds to. */
#ifndef THERE_H
#define THERE_H

#include "format/shardset.h"
#include "prep/storyset.h"
#include "text/vocab.h"

struct there { /* there_close in any case */
    struct shardlist list;
    struct shardset sets[SHARDLIST_N_SPLITS];
    const struct vocab *vocab;
    bool is_open;
};

/* Opens the folder with its vocabulary, which must outlive it. Nobody else may be writing to it
 * (claim_folder). */
MUST_USE int there_open(struct there *t, const char *folder, const struct vocab *vocab,
                        struct err *e);
void there_close(struct there *t);

/* Puts every story of both splits into the set, as the hash of its normalised text. A story with
 * UNK, whose text cannot be known from its tokens, is left out: it is never taken for a duplicate.
 */
MUST_USE int there_stories(const struct there *t, struct storyset *seen, struct err *e);

/* Stories of a split, and of one part of it unless part is NULL. */
uint64_t there_count(const struct there *t, enum shardlist_split split, const char *part);

#endif
