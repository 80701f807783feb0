#include "corpus/gather.h"

#include <stdlib.h>

struct gather *gather_new(struct vocab_form form, const struct tokenizer *t, struct pool *p,
                          struct err *e)
{
    size_t n_workers = (size_t)pool_threads(p);
    struct gather *g = calloc(1, sizeof *g);
    if (!g) {
        err_memory(e, "out of memory for a batch of stories");
        return NULL;
    }
    *g = (struct gather){.form = form, .tokenizer = t, .pool = p};
    g->batch = (struct stories){
        .most_bytes = GATHER_BYTES, .most = GATHER_STORIES, .group_size = GATHER_GROUP};
    g->caches = calloc(n_workers, sizeof(struct tokenizer_cache *));
    if (!g->caches) {
        err_memory(e, "out of memory for %zu workers", n_workers);
        gather_free(g);
        return NULL;
    }
    for (size_t i = 0; i < n_workers; i++) {
        g->caches[i] = tokenizer_cache_new(e);
        if (!g->caches[i]) {
            gather_free(g);
            return NULL;
        }
    }
    return g;
}

void gather_free(struct gather *g)
{
    if (!g)
        return;
    for (size_t i = 0; g->caches && i < (size_t)pool_threads(g->pool); i++)
        tokenizer_cache_free(g->caches[i]);
    for (size_t i = 0; i < ARRAY_LEN(g->groups); i++)
        free(g->groups[i].ids);
    stories_release(&g->batch);
    free((void *)g->caches);
    free(g);
}

static int encode_group(void *context, size_t first, size_t end, size_t worker, struct err *e)
{
    struct gather *g = context;
    struct token_buf *ids = &g->groups[first / GATHER_GROUP];
    const struct text_buf *text;
    ids->n = 0;
    for (size_t i = first; i < end; i++) {
        struct gather_story *s = &g->stories[i];
        size_t before = ids->n;
        if (stories_text(&g->batch, i, worker, &text, &s->n_chars, e) ||
            tokenizer_encode(g->tokenizer, g->caches[worker], text->data, text->n, ids, e))
            return -1;
        s->n_bytes = text->n;
        s->n = ids->n - before;
    }
    size_t at = 0; /* the buffer stands still now */
    for (size_t i = first; i < end; at += g->stories[i++].n)
        g->stories[i].ids = ids->ids ? ids->ids + at : NULL;
    return 0;
}

/* Where the file stands once story i of the batch is handed on: reading is a batch ahead of that.
 */
static void tell_progress(const struct gather *g, size_t i)
{
    double share = (double)g->batch.ends[i] / (double)MAX(g->batch.n_raw, 1);
    uint64_t read = g->n_handed + (uint64_t)(share * (double)(g->n_read - g->n_handed));
    if (g->hooks->progress)
        g->hooks->progress(g->hooks->context, read, g->size);
}

/* Hands on what was gathered. */
static int flush(struct gather *g, struct err *e)
{
    uint64_t n_invalid;
    int rc = stories_run(&g->batch, g->pool, g->form, encode_group, g, &n_invalid, e);
    for (size_t i = 0; i < g->batch.n && !rc; i++)
        if (g->stories[i].n_bytes) {
            rc = g->hooks->story(g->hooks->context, &g->stories[i], e);
            tell_progress(g, i);
        }
    stories_clear(&g->batch);
    g->n_handed = g->n_read;
    return rc;
}

static int on_story(void *context, const char *text, size_t n, struct err *e)
{
    struct gather *g = context;
    if (stories_add(&g->batch, text, n, e))
        return -1;
    return stories_full(&g->batch) ? flush(g, e) : 0;
}

static void on_progress(void *context, uint64_t read, uint64_t total)
{
    struct gather *g = context;
    g->n_read = read;
    g->size = total;
}

static void on_warning(void *context, const char *sentence)
{
    struct gather *g = context;
    if (g->hooks->warning)
        g->hooks->warning(g->hooks->context, sentence);
}

int gather_read(struct gather *g, const char *path, const struct corpus_options *o,
                const struct gather_hooks *hooks, struct corpus_counts *counts, struct err *e)
{
    const struct corpus_hooks inner = {on_story, on_progress, on_warning, g};
    g->hooks = hooks;
    g->n_read = g->n_handed = g->size = 0;
    stories_clear(&g->batch);
    return corpus_read(path, o, &inner, counts, e) ? -1 : flush(g, e);
}
