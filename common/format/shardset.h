/* shardset.h - several shards, one after another, read as if they were one.
 *
 * Tokens and stories are numbered over all of them. What is computed from a set depends on its
 * stories and their order alone, not on where one file ends and the next begins. */
#ifndef SHARDSET_H
#define SHARDSET_H

#include "format/shard.h"
#include "format/shardlist.h"

struct shardset {          /* zero-initialise */
    struct shard *shards;  /* owned array, [n]; the maps belong to the set that opened them */
    uint64_t *first_token; /* [n + 1] of each shard, then the total */
    uint64_t *first_story; /* [n + 1] */
    char (*parts)[SHARDLIST_PART_BYTES]; /* [n] "" without */
    size_t n, capacity;
    uint64_t n_tokens, n_stories, n_chars, n_bytes, n_unk; /* sums */
    uint32_t vocab_size;                                   /* of the first shard; 0 without one */
    uint64_t vocab_fingerprint;
    uint64_t fingerprint; /* of the one shard that would hold all of it; 0 without a shard */
};

/* Adds the shards of one split that the list of `folder` names, each checked (shard_open) and of
 * the vocabulary with this fingerprint and size. Nothing is left open after a failure. */
MUST_USE int shardset_open(struct shardset *s, const struct shardlist *list, const char *folder,
                           enum shardlist_split split, uint64_t vocab_fingerprint,
                           uint32_t vocab_size, struct err *e);

/* Adds one file. */
MUST_USE int shardset_open_file(struct shardset *s, const char *path, uint64_t vocab_fingerprint,
                                uint32_t vocab_size, struct err *e);

/* Adds a shard that is in memory; its map still belongs to its owner. Part may be NULL. */
MUST_USE int shardset_add(struct shardset *s, const struct shard *shard, const char *part,
                          struct err *e);

/* The shards of one part, in their order; they live as long as `all`. shardset_release at the end.
 */
MUST_USE int shardset_part(struct shardset *s, const struct shardset *all, const char *part,
                           struct err *e);

/* Closes all but the first n shards of a set that opened them. -1 only when out of memory. */
MUST_USE int shardset_cut(struct shardset *s, size_t n, struct err *e);

void shardset_close(struct shardset *s);   /* of a set that opened files */
void shardset_release(struct shardset *s); /* of any other: the maps stay */

/* Copies tokens first to first + n - 1. */
void shardset_copy(const struct shardset *s, uint64_t first, size_t n, uint16_t *out);

/* Where story i begins, i up to n_stories. */
uint64_t shardset_story(const struct shardset *s, uint64_t i);

/* How many of the first shards together have this fingerprint: of a set to which stories have since
 * been added, it finds the earlier ones. SIZE_MAX if none have; -1 only when out of memory. */
MUST_USE int shardset_find_prefix(const struct shardset *s, uint64_t fingerprint, size_t *n,
                                  struct err *e);

#endif
