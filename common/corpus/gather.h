/* gather.h - stories as read, normalised and turned into tokens by all threads at once.
 *
 * A batch is cut into groups of a few stories; a group is one task, with memory of its own for what
 * comes out. So reading is left to one thread, which does little more than unpack the file. */
#ifndef GATHER_H
#define GATHER_H

#include "corpus/corpus.h"
#include "base/pool.h"
#include "text/normalize.h"
#include "text/tokenizer.h"

enum { GATHER_BYTES = 256 << 10, GATHER_STORIES = 1024, GATHER_GROUP = 4 };

struct gather_story {
    const uint16_t *ids; /* the gather's, during the call */
    size_t n;
    size_t n_chars; /* of the normalised text */
    size_t n_bytes; /* 0 for an empty story, which has no tokens */
};

struct gather_worker {
    struct tokenizer_cache *cache;
    struct text_buf text;
};

struct gather_group {
    struct token_buf ids; /* of its stories, one after the other */
    bool failed;
    struct err err;
};

struct gather {
    struct vocab_form form;
    const struct tokenizer *tokenizer;
    struct pool *pool;
    char *raw; /* stories as read, one after the other */
    size_t n_raw, capacity;
    size_t ends[GATHER_STORIES]; /* of each in raw */
    size_t n_stories;
    struct gather_story stories[GATHER_STORIES]; /* after gather_encode */
    struct gather_group groups[GATHER_STORIES / GATHER_GROUP];
    struct gather_worker *workers;    /* [threads of the pool] */
    const struct gather_hooks *hooks; /* while a file is read */
};

/* Text is normalised to `form`. t and p are used until gather_free. NULL and *e when out of memory.
 */
struct gather *gather_new(struct vocab_form form, const struct tokenizer *t, struct pool *p,
                          struct err *e);
void gather_free(struct gather *g); /* NULL is fine */

/* Called for every story in order that is not empty. */
typedef int gather_story_hook(void *context, const struct gather_story *story, struct err *e);

struct gather_hooks { /* as struct corpus_hooks has them */
    gather_story_hook *story;
    corpus_progress *progress;
    corpus_warning *warning;
    void *context;
};

/* corpus_read, but that stories are tokens. */
MUST_USE int gather_read(struct gather *g, const char *path, const struct corpus_options *o,
                         const struct gather_hooks *hooks, struct corpus_counts *counts,
                         struct err *e);

#endif
