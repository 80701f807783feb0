/* gather.h - stories as read, normalised and turned into tokens by all threads at once.
 *
 * A batch is cut into groups of a few stories; a group is one task, with memory of its own for what
 * comes out. So reading is left to one thread, which does little more than unpack the file. */
#ifndef GATHER_H
#define GATHER_H

#include "base/pool.h"
#include "bolt/modelfile.h"
#include "text/normalize.h"
#include "text/tokenizer.h"

enum { GATHER_BYTES = 256 << 10, GATHER_STORIES = 1024, GATHER_GROUP = 4 };

struct gather_story {
    const uint16_t *ids; /* the gather's, until gather_clear */
    size_t n;
    size_t n_chars; /* of the normalised text */
    size_t n_bytes; /* 0 for an empty story, which has no tokens */
};

struct gather_worker {
    struct tokenizer_cache *cache;
    struct text_buf text;
};

struct gather_group {
    struct token_buf ids; /* of its stories, one behind the other */
    bool failed;
    struct err err;
};

struct gather {
    const struct modelfile *file;
    struct pool *pool;
    char *raw; /* stories as read, one behind the other */
    size_t n_raw, capacity;
    size_t ends[GATHER_STORIES]; /* of each in raw */
    size_t n_stories;
    struct gather_story stories[GATHER_STORIES]; /* after gather_encode */
    struct gather_group groups[GATHER_STORIES / GATHER_GROUP];
    struct gather_worker *workers; /* [threads of the pool] */
};

/* b and p are used until gather_free. NULL and *e when out of memory. */
struct gather *gather_new(const struct modelfile *b, struct pool *p, struct err *e);
void gather_free(struct gather *g); /* NULL is fine */

/* Appends a story; gather_full tells when to encode, use and clear before the next. */
MUST_USE int gather_add(struct gather *g, const char *text, size_t n, struct err *e);
bool gather_full(const struct gather *g);
void gather_clear(struct gather *g);

/* Fills g->stories. */
MUST_USE int gather_encode(struct gather *g, struct err *e);

#endif
