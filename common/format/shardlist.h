/* shardlist.h - which shards a folder of stories is made of, in which order. Specification:
 * SHARD.md, "A folder of stories".
 *
 * A folder has train.shard and valid.shard, or the file shards.json, which lists any number. That
 * file is replaced last and in one step, so that stories are added whole or not at all. */
#ifndef SHARDLIST_H
#define SHARDLIST_H

#include "os/file_set.h"

enum {
    SHARDLIST_VERSION = 1,
    SHARDLIST_NAME_BYTES = 96, /* of a file's name, its zero included */
    SHARDLIST_PART_BYTES = 33, /* of a part's */
    SHARDLIST_MAX_PARTS = 16,
};

enum shardlist_split { SHARDLIST_TRAIN, SHARDLIST_VALID, SHARDLIST_N_SPLITS };
extern const char *const shardlist_split_names[SHARDLIST_N_SPLITS]; /* "train", "valid" */

struct shardlist_item {
    char file[SHARDLIST_NAME_BYTES]; /* in the folder */
    enum shardlist_split split;
    char part[SHARDLIST_PART_BYTES]; /* name of its corpus; "" in a folder without parts */
    uint64_t fingerprint;            /* of the shard; 0: unknown */
};

struct shardlist {                /* zero-initialise; shardlist_release at the end */
    struct shardlist_item *items; /* owned, [n] */
    size_t n, capacity;
    uint64_t vocab_fingerprint; /* 0: unknown */
    bool is_file;               /* read from shards.json */
};

/* The list of a folder: its shards.json or, without one, train.shard and valid.shard, with
 * fingerprints unknown. Errors: those of the rules of SHARD.md. */
MUST_USE int shardlist_read(struct shardlist *l, const char *folder, struct err *e);

/* The same of the n bytes of a shards.json; the sentence has no path (err_at). */
MUST_USE int shardlist_parse(struct shardlist *l, const void *text, size_t n, struct err *e);
void shardlist_release(struct shardlist *l);

/* Adds a shard at the end; part may be NULL for none. */
MUST_USE int shardlist_add(struct shardlist *l, const char *file, enum shardlist_split split,
                           const char *part, uint64_t fingerprint, struct err *e);

/* Writes folder/shards.json; with a set, to appear with it. */
MUST_USE int shardlist_save(const struct shardlist *l, const char *folder, struct file_set *set,
                            struct err *e);

/* Whether this can be the name of a part: a letter, then letters, digits, - and _, at most 32
 * bytes. */
bool shardlist_is_part(const char *name);

/* The names of the parts in the order in which they appear first; 0 in a folder without parts. They
 * live as long as l does. At most SHARDLIST_MAX_PARTS, which the readers check. */
size_t shardlist_parts(const struct shardlist *l, const char *names[SHARDLIST_MAX_PARTS]);

#endif
