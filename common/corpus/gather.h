/* gather.h - the stories of a file, normalised and turned into tokens by all threads at once. */
#ifndef GATHER_H
#define GATHER_H

#include "corpus/corpus.h"
#include "corpus/stories.h"
#include "text/tokenizer.h"

enum { GATHER_BYTES = 256 << 10, GATHER_STORIES = 1024, GATHER_GROUP = 4 };

struct gather_story {
    const uint16_t *ids; /* the gather's, during the call */
    size_t n;
    size_t n_chars; /* of the normalised text */
    size_t n_bytes; /* 0 for an empty story, which has no tokens */
};

struct gather {
    struct vocab_form form;
    const struct tokenizer *tokenizer;
    struct pool *pool;
    struct stories batch;
    struct gather_story stories[GATHER_STORIES];            /* of the batch */
    struct token_buf groups[GATHER_STORIES / GATHER_GROUP]; /* ids of its stories */
    struct tokenizer_cache **caches;                        /* owned, [threads of the pool] */
    const struct gather_hooks *hooks;                       /* while a file is read */
    uint64_t n_read, n_handed, size; /* bytes of the file: read, through with all stories, in all */
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
    corpus_progress *progress; /* after each story, with the bytes up to its end (about) as read */
    corpus_warning *warning;
    void *context;
};

/* The same as corpus_read, with stories as tokens. */
MUST_USE int gather_read(struct gather *g, const char *path, const struct corpus_options *o,
                         const struct gather_hooks *hooks, struct corpus_counts *counts,
                         struct err *e);

#endif
