/* series.h - the shards that the stories of one split, and of one part of it, go into. */
#ifndef SERIES_H
#define SERIES_H

#include "format/shard.h"
#include "format/shardlist.h"

struct series {
    const char *folder;
    enum shardlist_split split;
    const char *part;      /* NULL in a folder without parts */
    uint64_t shard_tokens; /* 0: one shard for all */
    uint32_t vocab_size;
    uint64_t vocab_fingerprint;
    struct file_set *set;   /* what the finished shards wait in */
    struct shardlist *list; /* and are added to */

    struct shard_writer *writer; /* NULL before the first story */
    char file[SHARDLIST_NAME_BYTES];
    uint64_t n_tokens; /* of the shard being written */
    uint64_t n_all;    /* and of those before it */
};

/* Adds a story, n ids without its EOS. A shard ends before the story that would take it beyond
 * shard_tokens. */
MUST_USE int series_add(struct series *s, const uint16_t *ids, size_t n, uint64_t n_chars,
                        uint64_t n_bytes, struct err *e);

/* Finishes the last shard. Where no story came, an empty one is written if `empty` says so. */
MUST_USE int series_end(struct series *s, bool empty, struct err *e);

/* To give up. */
void series_abort(struct series *s);

#endif
