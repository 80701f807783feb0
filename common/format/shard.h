/* shard.h - token shards, DIR/train.shard and DIR/valid.shard. Specification: SHARD.md.
 *
 * A shard holds the uint16 ids of all stories in one stream, one EOS after each, the offset of
 * every story, and the sizes of their normalised text, so that bits per character can be computed
 * without the text. */
#ifndef SHARD_H
#define SHARD_H

#include "os/file_set.h"

enum { SHARD_VERSION = 1 };

struct shard {
    struct file_map map;
    const uint16_t *tokens; /* [n_tokens], every id < vocab_size */
    const uint64_t
        *stories; /* [n_stories + 1]: story i is tokens[stories[i]..stories[i+1]), EOS last */
    uint64_t n_tokens;
    uint64_t n_stories;
    uint64_t n_chars; /* code points of the normalised stories */
    uint64_t n_bytes; /* their UTF-8 bytes */
    uint64_t n_unk;   /* tokens that are UNK */
    uint32_t vocab_size;
    uint64_t vocab_fingerprint;
    uint64_t fingerprint; /* of the content: tokens, offsets, sizes and vocabulary */
};

/* Maps and checks everything once: header, sizes, payload hash, offsets ascending with EOS at every
 * end, ids in range. shard_close at the end. */
MUST_USE int shard_open(struct shard *s, const char *path, struct err *e);
void shard_close(struct shard *s);

/* The fingerprint of the one shard that would hold the stories of all n, which are of one
 * vocabulary. -1 only when out of memory. */
MUST_USE int shard_join_fingerprint(const struct shard *shards, size_t n, uint64_t *fingerprint,
                                    struct err *e);

/* Which ids occur. */
struct shard_ids {
    uint16_t top; /* the largest; 0 of none */
    uint64_t n_eos, n_unk;
};
struct shard_ids shard_ids(const uint16_t *ids, size_t n);

/* True if the n bytes begin as a shard does. */
bool shard_probe(const void *data, size_t n);

/* True if path is a regular file that begins so; a pipe is not touched. */
bool shard_probe_file(const char *path);

/* Writing: shard_create, shard_add for each story in order, shard_finish. On any error, or to give
 * up, shard_abort, which leaves no file. */
struct shard_writer;
struct shard_writer *shard_create(const char *path, uint32_t vocab_size, uint64_t vocab_fingerprint,
                                  struct err *e);
/* n ids of one story without its EOS (which is added here). */
MUST_USE int shard_add(struct shard_writer *w, const uint16_t *ids, size_t n, uint64_t n_chars,
                       uint64_t n_bytes, struct err *e);
/* Writes what is left, puts the file in its place - with a set, when that is committed - and frees
 * w, also on failure. *fingerprint may be NULL. */
MUST_USE int shard_finish(struct shard_writer *w, uint64_t *fingerprint, struct file_set *set,
                          struct err *e);
void shard_abort(struct shard_writer *w); /* NULL is fine */

#endif
