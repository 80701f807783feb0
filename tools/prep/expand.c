#include "prep/expand.h"

#include <stdlib.h>

#include "base/array.h"

enum { FRAMES = 16 }; /* at once; of a fixed size whatever the number of threads */

struct job {
    expand_fill *fill;
    const void *context;
    struct expansion frames[FRAMES];
    struct err errs[FRAMES];
    bool failed[FRAMES];
};

int expand_story(struct expansion *x, uint64_t n_chars, uint64_t n_bytes, struct err *e)
{
    if (array_reserve(&x->stories, &x->stories_capacity, x->n_stories + 1, sizeof *x->stories))
        return err_memory(e, "out of memory for %zu stories", x->n_stories + 1);
    x->stories[x->n_stories++] =
        (struct expanded_story){.end = x->ids.n, .n_chars = n_chars, .n_bytes = n_bytes};
    return 0;
}

static void fill_frame(void *context, size_t task, size_t worker)
{
    struct job *job = context;
    struct expansion *x = &job->frames[task];
    (void)worker;
    x->ids.n = x->n_stories = 0;
    job->failed[task] = job->fill(job->context, x, &job->errs[task]) != 0;
}

/* Reads up to FRAMES frames, fills them, and has them taken in order. */
static int expand_some(struct spool *spool, struct job *job, struct pool *pool, expand_take *take,
                       void *context, uint64_t *number, size_t *n, struct err *e)
{
    for (*n = 0; *n < FRAMES; ++*n) {
        struct expansion *x = &job->frames[*n];
        if (spool_read(spool, &x->frame, e))
            return -1;
        if (!x->frame.n)
            break;
        x->number = (*number)++;
    }
    pool_run(pool, fill_frame, job, *n);
    for (size_t i = 0; i < *n; i++) {
        if (job->failed[i]) {
            *e = job->errs[i];
            return -1;
        }
        if (take(context, &job->frames[i], e))
            return -1;
    }
    return 0;
}

int expand_spool(struct spool *spool, struct pool *pool, expand_fill *fill, expand_take *take,
                 void *context, struct err *e)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return err_memory(e, "out of memory for stories");
    job->fill = fill;
    job->context = context;
    uint64_t number = 0;
    int rc = spool_rewind(spool, e);
    for (size_t n = 1; !rc && n;)
        rc = expand_some(spool, job, pool, take, context, &number, &n, e);
    for (size_t i = 0; i < FRAMES; i++) {
        struct expansion *x = &job->frames[i];
        free(x->frame.data);
        free(x->ids.ids);
        free(x->stories);
        sentences_release(&x->sentences);
    }
    free(job);
    return rc;
}
