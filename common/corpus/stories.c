#include "corpus/stories.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int reserve(void *array, size_t *capacity, size_t wanted, size_t size, struct err *e)
{
    if (array_reserve(array, capacity, wanted, size))
        return err_memory(e, "out of memory for stories");
    return 0;
}

int stories_add(struct stories *s, const char *text, size_t n, struct err *e)
{
    if (reserve(&s->raw, &s->capacity, s->n_raw + n, 1, e) ||
        reserve(&s->ends, &s->ends_capacity, s->n + 1, sizeof *s->ends, e))
        return -1;
    if (n)
        memcpy(s->raw + s->n_raw, text, n);
    s->n_raw += n;
    s->ends[s->n++] = s->n_raw;
    return 0;
}

bool stories_full(const struct stories *s)
{
    return s->n >= s->most || s->n_raw >= s->most_bytes;
}

void stories_clear(struct stories *s)
{
    s->n = s->n_raw = 0;
}

static void run_group(void *context, size_t task, size_t worker)
{
    struct stories *s = context;
    struct stories_group *g = &s->groups[task];
    size_t first = task * s->group_size;
    g->failed = s->work(s->context, first, MIN(first + s->group_size, s->n), worker, &g->err) != 0;
}

static int make_workers(struct stories *s, size_t n, struct err *e)
{
    if (s->n_workers >= n)
        return 0;
    s->workers = calloc(n, sizeof *s->workers);
    if (!s->workers)
        return err_memory(e, "out of memory for %zu threads", n);
    s->n_workers = n;
    return 0;
}

int stories_run(struct stories *s, struct pool *pool, struct vocab_form form, stories_work *work,
                void *context, uint64_t *n_invalid, struct err *e)
{
    size_t n_groups = DIV_UP(s->n, s->group_size);
    if (make_workers(s, (size_t)pool_threads(pool), e) ||
        reserve(&s->groups, &s->groups_capacity, n_groups, sizeof *s->groups, e))
        return -1;
    s->form = form;
    s->work = work;
    s->context = context;
    for (size_t i = 0; i < s->n_workers; i++)
        s->workers[i].n_invalid = 0;
    pool_run(pool, run_group, s, n_groups);
    *n_invalid = 0;
    for (size_t i = 0; i < s->n_workers; i++)
        *n_invalid += s->workers[i].n_invalid;
    for (size_t i = 0; i < n_groups; i++)
        if (s->groups[i].failed) {
            *e = s->groups[i].err;
            return -1;
        }
    return 0;
}

int stories_text(struct stories *s, size_t i, size_t worker, const struct text_buf **text,
                 size_t *n_chars, struct err *e)
{
    struct stories_worker *w = &s->workers[worker];
    struct normalize_stats stats = {0};
    size_t n;
    const char *raw = stories_raw(s, i, &n);
    *text = &w->text;
    if (normalize_text_in(&w->unicode, s->form, raw, n, &w->text, n_chars, &stats, e))
        return -1;
    w->n_invalid += stats.n_invalid;
    return 0;
}

void stories_release(struct stories *s)
{
    for (size_t i = 0; i < s->n_workers; i++) {
        free(s->workers[i].text.data);
        unicode_scratch_release(&s->workers[i].unicode);
    }
    free(s->workers);
    free(s->groups);
    free(s->ends);
    free(s->raw);
    s->workers = NULL;
    s->n_workers = 0;
}
