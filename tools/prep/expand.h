/* expand.h - stories from a spool, a few frames at once: all threads turn them into tokens or the
 * like, which are taken one frame at a time, in the order of the stories (os/pipeline.h). */
#ifndef PREP_EXPAND_H
#define PREP_EXPAND_H

#include "base/pool.h"
#include "text/normalize.h"
#include "text/tokenizer.h"
#include "prep/spool.h"

struct expanded_story {
    size_t end; /* of its ids in the frame's */
    uint64_t n_chars, n_bytes;
};

struct expansion { /* of one frame */
    struct spool_frame frame;
    uint64_t number;      /* of the frame */
    struct token_buf ids; /* empty at first, as are stories */
    struct expanded_story *stories;
    size_t n_stories, stories_capacity;
    struct text_buf text; /* scratch of fill */
};

/* Fills ids and stories from the frame, in any thread. -1 only when out of memory. */
typedef int expand_fill(const void *context, struct expansion *x, struct err *e);
/* Takes them, in order. */
typedef int expand_take(void *context, const struct expansion *x, struct err *e);

/* All frames up to the next cut of the spool, or its end. `context` is passed to both. */
MUST_USE int expand_spool(struct spool *spool, struct pool *pool, expand_fill *fill,
                          expand_take *take, void *context, struct err *e);

/* One more story, which has all ids since the last. */
MUST_USE int expand_story(struct expansion *x, uint64_t n_chars, uint64_t n_bytes, struct err *e);

#endif
