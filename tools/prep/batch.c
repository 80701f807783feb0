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

void batch_init(struct batch *b)
{
    memset(b, 0, sizeof *b);
    b->raw = (struct stories){
        .most_bytes = BATCH_BYTES, .most = BATCH_STORIES, .group_size = BATCH_GROUP};
}

/* The words of the group's text from one place to another. */
static int cut_words(struct batch_group *g, const struct words *table, size_t from, size_t end,
                     struct err *e)
{
    for (size_t at = from, n; at < end; at += n) {
        const char *word = g->text.data + at;
        n = pretok_next(word, end - at);
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

static int cut_sentences(struct batch_group *g, const struct words *table, size_t from,
                         struct err *e)
{
    for (size_t at = from, n; at < g->text.n; at += n) {
        n = pretok_sentence(g->text.data + at, g->text.n - at);
        if (cut_words(g, table, at, at + n, e))
            return -1;
    }
    return 0;
}

/* One story of group g; `words` and `unknown` are still positions, since the arrays may move. */
static int take_story(struct batch *b, struct batch_group *g, size_t i, size_t worker,
                      struct err *e)
{
    struct batch_story *s = &b->stories[i];
    const struct text_buf *text;
    size_t at = g->text.n;
    *s = (struct batch_story){0};
    if (stories_text(&b->raw, i, worker, &text, &s->n_chars, e))
        return -1;
    s->n_bytes = text->n;
    if (!text->n)
        return 0;
    s->hash = hash128(text->data, text->n);
    if (reserve(&g->text.data, &g->text.capacity, at + text->n, 1, e))
        return -1;
    memcpy(g->text.data + at, text->data, text->n);
    g->text.n += text->n;
    size_t n_before = g->n_words;
    if (b->pretokens == VOCAB_SENTENCES ? cut_sentences(g, b->table, at, e)
                                        : cut_words(g, b->table, at, g->text.n, e))
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

static int take_group(void *context, size_t first, size_t end, size_t worker, struct err *e)
{
    struct batch *b = context;
    struct batch_group *g = &b->groups[first / BATCH_GROUP];
    g->text.n = g->n_words = g->n_unknown = 0;
    for (size_t i = first; i < end; i++)
        if (take_story(b, g, i, worker, e))
            return -1;
    point_stories(g, b->stories + first, end - first);
    return 0;
}

int batch_process(struct batch *b, struct pool *pool, struct vocab_form form,
                  enum vocab_pretokens pretokens, const struct words *table, struct err *e)
{
    b->table = table;
    b->pretokens = pretokens;
    return stories_run(&b->raw, pool, form, take_group, b, &b->n_invalid, e);
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
    stories_release(&b->raw);
}
