#include "corpus/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

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
    g->workers = calloc(n_workers, sizeof *g->workers);
    if (!g->workers) {
        err_memory(e, "out of memory for %zu workers", n_workers);
        gather_free(g);
        return NULL;
    }
    for (size_t i = 0; i < n_workers; i++) {
        g->workers[i].cache = tokenizer_cache_new(e);
        if (!g->workers[i].cache) {
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
    for (size_t i = 0; g->workers && i < (size_t)pool_threads(g->pool); i++) {
        tokenizer_cache_free(g->workers[i].cache);
        free(g->workers[i].text.data);
    }
    for (size_t i = 0; i < ARRAY_LEN(g->groups); i++)
        free(g->groups[i].ids.ids);
    free(g->workers);
    free(g->raw);
    free(g);
}

static int encode_story(struct gather *g, size_t i, struct gather_worker *w, struct token_buf *ids,
                        struct err *e)
{
    struct gather_story *s = &g->stories[i];
    struct normalize_stats stats = {0};
    size_t begin = i > 0 ? g->ends[i - 1] : 0;
    size_t before = ids->n;
    if (normalize_text(g->form, g->raw + begin, g->ends[i] - begin, &w->text, &s->n_chars, &stats,
                       e) ||
        tokenizer_encode(g->tokenizer, w->cache, w->text.data, w->text.n, ids, e))
        return -1;
    s->n_bytes = w->text.n;
    s->n = ids->n - before;
    return 0;
}

static void encode_group(void *context, size_t task, size_t worker)
{
    struct gather *g = context;
    struct gather_group *group = &g->groups[task];
    size_t first = task * GATHER_GROUP;
    size_t end = MIN(first + GATHER_GROUP, g->n_stories);
    group->ids.n = 0;
    group->failed = false;
    for (size_t i = first; i < end && !group->failed; i++)
        group->failed = encode_story(g, i, &g->workers[worker], &group->ids, &group->err) != 0;
    size_t at = 0; /* the buffer stands still now */
    for (size_t i = first; i < end && !group->failed; at += g->stories[i++].n)
        g->stories[i].ids = group->ids.ids + at;
}

static int encode(struct gather *g, struct err *e)
{
    size_t n_groups = DIV_UP(g->n_stories, (size_t)GATHER_GROUP);
    pool_run(g->pool, encode_group, g, n_groups);
    for (size_t i = 0; i < n_groups; i++) {
        if (!g->groups[i].failed)
            continue;
        *e = g->groups[i].err;
        return -1;
    }
    return 0;
}

/* Hands on what was gathered. */
static int flush(struct gather *g, struct err *e)
{
    int code = encode(g, e);
    for (size_t i = 0; i < g->n_stories && !code; i++)
        if (g->stories[i].n_bytes)
            code = g->hooks->story(g->hooks->context, &g->stories[i], e);
    g->n_raw = g->n_stories = 0;
    return code;
}

static int on_story(void *context, const char *text, size_t n, struct err *e)
{
    struct gather *g = context;
    if (array_reserve(&g->raw, &g->capacity, g->n_raw + n, sizeof *g->raw))
        return err_memory(e, "out of memory for %zu bytes of text", g->n_raw + n);
    if (n)
        memcpy(g->raw + g->n_raw, text, n);
    g->n_raw += n;
    g->ends[g->n_stories++] = g->n_raw;
    return g->n_raw >= GATHER_BYTES || g->n_stories == GATHER_STORIES ? flush(g, e) : 0;
}

static void on_progress(void *context, uint64_t read, uint64_t total)
{
    struct gather *g = context;
    if (g->hooks->progress)
        g->hooks->progress(g->hooks->context, read, total);
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
    g->n_raw = g->n_stories = 0;
    return corpus_read(path, o, &inner, counts, e) ? -1 : flush(g, e);
}
