/* source.h - bytes that are pulled, block by block: a file, or whatever undoes its packing. */
#ifndef SOURCE_H
#define SOURCE_H

#include "base/err.h"

/* What gives the bytes has this as its first member. */
struct source {
    /* The next block; *n is 0 at the end, and stays so. The bytes are good until the next call. */
    int (*next)(struct source *s, const char **data, size_t *n, struct err *e);
};

MUST_USE static inline int source_next(struct source *s, const char **data, size_t *n,
                                       struct err *e)
{
    return s->next(s, data, n, e);
}

#endif
