#include "prep/expand.h"

#include <stdlib.h>

#include "base/array.h"
#include "os/pipeline.h"

/* What all stages share. */
struct job {
    struct spool *spool;
    expand_fill *fill;
    expand_take *take;
    void *context;
};

int expand_story(struct expansion *x, uint64_t n_chars, uint64_t n_bytes, struct err *e)
{
    if (array_reserve(&x->stories, &x->stories_capacity, x->n_stories + 1, sizeof *x->stories))
        return err_memory(e, "out of memory for %zu stories", x->n_stories + 1);
    x->stories[x->n_stories++] =
        (struct expanded_story){.end = x->ids.n, .n_chars = n_chars, .n_bytes = n_bytes};
    return 0;
}

static int read_frames(void *context, struct pipeline *p, struct err *e)
{
    struct job *job = context;
    for (;;) {
        struct expansion *x = pipeline_piece(p);
        if (!x || spool_read(job->spool, &x->frame, e))
            return -1;
        if (!x->frame.n)
            return 0;
        x->number = job->spool->n_read - 1;
        pipeline_put(p);
    }
}

static int fill_frame(void *context, void *piece, size_t worker, struct err *e)
{
    struct job *job = context;
    struct expansion *x = piece;
    (void)worker;
    x->ids.n = x->n_stories = 0;
    return job->fill(job->context, x, e);
}

static int take_frame(void *context, void *piece, struct err *e)
{
    struct job *job = context;
    return job->take(job->context, piece, e);
}

int expand_spool(struct spool *spool, struct pool *pool, expand_fill *fill, expand_take *take,
                 void *context, struct err *e)
{
    struct job job = {spool, fill, take, context};
    const struct pipeline_stages stages = {read_frames, fill_frame, take_frame, &job};
    size_t n = pipeline_pieces(pool);
    struct expansion *frames = calloc(n, sizeof *frames);
    if (!frames)
        return err_memory(e, "out of memory for stories");
    int rc = pipeline_run(&stages, frames, n, sizeof *frames, pool, e);
    for (size_t i = 0; i < n; i++) {
        free(frames[i].frame.data);
        free(frames[i].ids.ids);
        free(frames[i].stories);
        free(frames[i].text.data);
    }
    free(frames);
    return rc;
}
