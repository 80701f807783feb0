#include "prep/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/pretok.h"

static int reserve(void *array, size_t *capacity, size_t wanted, size_t size, struct err *e)
{
    if (array_reserve(array, capacity, wanted, size))
        return err_memory(e, "out of memory for stories");
    return 0;
}

int batch_add(struct batch *b, const char *text, size_t n, struct err *e)
{
    if (reserve(&b->raw, &b->capacity, b->n_raw + n, 1, e))
        return -1;
    if (n)
        memcpy(b->raw + b->n_raw, text, n);
    b->n_raw += n;
    b->ends[b->n_stories++] = b->n_raw;
    return 0;
}

bool batch_full(const struct batch *b)
{
    return b->n_stories == BATCH_STORIES || b->n_raw >= BATCH_BYTES;
}

void batch_clear(struct batch *b)
{
    b->n_stories = 0;
    b->n_raw = 0;
}

static int cut_words(struct batch_group *g, const struct words *table, size_t from, struct err *e)
{
    for (size_t at = from, n; at < g->text.n; at += n) {
        const char *word = g->text.data + at;
        n = pretok_next(word, g->text.n - at);
        uint64_t hash = hash64(word, n);
        uint32_t number = words_find(table, word, n, hash);
        if (reserve(&g->words, &g->words_capacity, g->n_words + 1, sizeof *g->words, e))
            return -1;
        g->words[g->n_words++] = number;
        if (number != WORDS_NONE)
            continue;
        if (reserve(&g->unknown, &g->unknown_capacity, g->n_unknown + 1, sizeof *g->unknown, e))
            return -1;
        g->unknown[g->n_unknown++] = (struct batch_unknown){.at = at, .n = n, .hash = hash};
    }
    return 0;
}

/* One story of group g; `words` and `unknown` are still positions, since the arrays may move. */
static int take_story(struct batch *b, struct batch_group *g, size_t i, struct text_buf *scratch,
                      struct err *e)
{
    struct batch_story *s = &b->stories[i];
    size_t begin = i ? b->ends[i - 1] : 0, at = g->text.n;
    *s = (struct batch_story){0};
    if (normalize_text(b->form, b->raw + begin, b->ends[i] - begin, scratch, &s->n_chars, &g->stats,
                       e))
        return -1;
    s->n_bytes = scratch->n;
    if (!scratch->n)
        return 0;
    s->hash = hash128(scratch->data, scratch->n);
    if (reserve(&g->text.data, &g->text.capacity, at + scratch->n, 1, e))
        return -1;
    memcpy(g->text.data + at, scratch->data, scratch->n);
    g->text.n += scratch->n;
    size_t n_before = g->n_words;
    if (cut_words(g, b->table, at, e))
        return -1;
    s->n_words = g->n_words - n_before;
    return 0;
}

/* The arrays stand still now: every story gets its place in them. */
static void point_stories(struct batch_group *g, struct batch_story *stories, size_t n)
{
    uint32_t *words = g->words;
    const struct batch_unknown *unknown = g->unknown;
    for (size_t i = 0; i < n; i++) {
        struct batch_story *s = &stories[i];
        s->text = g->text.data;
        s->words = words;
        s->unknown = unknown;
        for (size_t k = 0; k < s->n_words; k++)
            unknown += words[k] == WORDS_NONE;
        words += s->n_words;
    }
}

static void take_group(void *context, size_t task, size_t worker)
{
    struct batch *b = context;
    struct batch_group *g = &b->groups[task];
    size_t first = task * BATCH_GROUP, end = MIN(first + BATCH_GROUP, b->n_stories);
    g->text.n = g->n_words = g->n_unknown = 0;
    g->stats = (struct normalize_stats){0};
    g->failed = false;
    for (size_t i = first; i < end && !g->failed; i++)
        g->failed = take_story(b, g, i, &b->scratch[worker], &g->err) != 0;
    if (!g->failed)
        point_stories(g, b->stories + first, end - first);
}

static int make_scratch(struct batch *b, size_t n, struct err *e)
{
    if (b->n_scratch == n)
        return 0;
    b->scratch = calloc(n, sizeof *b->scratch);
    if (!b->scratch)
        return err_memory(e, "out of memory for %zu threads", n);
    b->n_scratch = n;
    return 0;
}

int batch_process(struct batch *b, struct pool *pool, struct vocab_form form,
                  const struct words *table, struct err *e)
{
    size_t n_groups = DIV_UP(b->n_stories, (size_t)BATCH_GROUP);
    b->form = form;
    b->table = table;
    b->n_invalid = 0;
    if (make_scratch(b, (size_t)pool_threads(pool), e))
        return -1;
    pool_run(pool, take_group, b, n_groups);
    for (size_t i = 0; i < n_groups; i++) {
        if (b->groups[i].failed) {
            *e = b->groups[i].err;
            return -1;
        }
        b->n_invalid += b->groups[i].stats.n_invalid;
    }
    return 0;
}

int batch_resolve(struct batch_story *s, struct words *table, struct err *e)
{
    const struct batch_unknown *u = s->unknown;
    for (size_t i = 0; i < s->n_words; i++) {
        if (s->words[i] != WORDS_NONE)
            continue;
        if (words_add(table, s->text + u->at, u->n, u->hash, &s->words[i], e))
            return -1;
        u++;
    }
    return 0;
}

void batch_release(struct batch *b)
{
    for (size_t i = 0; i < ARRAY_LEN(b->groups); i++) {
        free(b->groups[i].text.data);
        free(b->groups[i].words);
        free(b->groups[i].unknown);
    }
    for (size_t i = 0; i < b->n_scratch; i++)
        free(b->scratch[i].data);
    free(b->scratch);
    free(b->raw);
}
