#include "prep/there.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/unicode.h"

int there_open(struct there *t, const char *folder, const struct vocab *vocab, struct err *e)
{
    *t = (struct there){.vocab = vocab, .is_open = true};
    if (shardlist_read(&t->list, folder, e))
        return -1;
    uint64_t print = vocab_fingerprint(vocab);
    for (int split = 0; split < SHARDLIST_N_SPLITS; split++)
        if (shardset_open(&t->sets[split], &t->list, folder, (enum shardlist_split)split, print,
                          vocab->n_tokens, e))
            return -1;
    for (size_t i = 0; i < t->list.n && !t->list.is_file; i++) { /* a new list is to tell them */
        struct shardlist_item *item = &t->list.items[i];
        item->fingerprint = t->sets[item->split].fingerprint;
    }
    t->list.vocab_fingerprint = print;
    return 0;
}

void there_close(struct there *t)
{
    if (!t->is_open)
        return;
    for (int split = 0; split < SHARDLIST_N_SPLITS; split++)
        shardset_close(&t->sets[split]);
    shardlist_release(&t->list);
    for (size_t i = 0; i < t->n_cuts; i++)
        free(t->cuts[i].text.data);
    *t = (struct there){0};
}

/* Appends the text of story i; *known is false where some of it is UNK. */
static int append_story(const struct vocab *v, const struct shard *s, uint64_t i,
                        struct text_buf *text, bool *known, struct err *e)
{
    *known = true;
    for (uint64_t k = s->stories[i]; k + 1 < s->stories[i + 1]; k++) {
        struct vocab_bytes b = v->tokens[s->tokens[k]].bytes;
        *known = *known && s->tokens[k] != VOCAB_UNK;
        if (array_reserve(&text->data, &text->capacity, text->n + b.n, 1))
            return err_memory(e, "out of memory for the text of a story");
        memcpy(text->data + text->n, b.data, b.n);
        text->n += b.n;
    }
    return 0;
}

static int add_shard(const struct vocab *v, const struct shard *s, struct text_buf *text,
                     struct storyset *seen, struct storyset *held, struct err *e)
{
    for (uint64_t i = 0; i < s->n_stories; i++) {
        bool known, is_new;
        text->n = 0;
        if (append_story(v, s, i, text, &known, e))
            return -1;
        if (!known || !text->n)
            continue;
        struct hash128 hash = hash128(text->data, text->n);
        if (storyset_add(seen, hash, &is_new, e) || (held && storyset_add(held, hash, &is_new, e)))
            return -1;
    }
    return 0;
}

/* ---- a text that was cut --------------------------------------------------------------------- */

/* The first shard of a part; NULL if it has none. */
static const struct shard *first_shard(const struct shardset *s, const char *part)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->parts[i], part) == 0)
            return &s->shards[i];
    return NULL;
}

/* Shards that are added later come after the first, so that this stays as prep began it. */
static int find_cut(struct there *t, const char *part, struct err *e)
{
    const struct shard *train = first_shard(&t->sets[SHARDLIST_TRAIN], part);
    const struct shard *valid = first_shard(&t->sets[SHARDLIST_VALID], part);
    struct there_cut *cut = &t->cuts[t->n_cuts];
    bool known[2];
    if (!train || !valid || train->n_stories != 1 || valid->n_stories != 1)
        return 0;
    t->n_cuts++;
    if (append_story(t->vocab, train, 0, &cut->text, &known[0], e))
        return -1;
    cut->n_first = cut->text.n;
    if (append_story(t->vocab, valid, 0, &cut->text, &known[1], e))
        return -1;
    if (!known[0] || !known[1])
        cut->text.n = SIZE_MAX; /* longer than any text */
    return 0;
}

int there_stories(struct there *t, struct storyset *seen, struct storyset *held, struct err *e)
{
    const char *names[SHARDLIST_MAX_PARTS] = {""};
    size_t n = MAX(shardlist_parts(&t->list, names), (size_t)1);
    struct text_buf text = {0};
    int rc = 0;
    for (int split = 0; split < SHARDLIST_N_SPLITS; split++)
        for (size_t i = 0; i < t->sets[split].n && rc == 0; i++)
            rc = add_shard(t->vocab, &t->sets[split].shards[i], &text, seen,
                           split == SHARDLIST_VALID ? held : NULL, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = find_cut(t, names[i], e);
    free(text.data);
    return rc;
}

static bool is_space(const char *text, size_t n)
{
    size_t at = 0, length;
    while (at < n && unicode_class_at(text + at, n - at, &length) == UNICODE_SPACE)
        at += length;
    return at >= n;
}

bool there_is_cut(const struct there *t, const char *text, size_t n)
{
    for (size_t i = 0; i < t->n_cuts; i++) {
        const struct there_cut *cut = &t->cuts[i];
        size_t n_last = cut->text.n - cut->n_first;
        if (n > cut->text.n && memcmp(text, cut->text.data, cut->n_first) == 0 &&
            memcmp(text + n - n_last, cut->text.data + cut->n_first, n_last) == 0 &&
            is_space(text + cut->n_first, n - cut->text.n))
            return true;
    }
    return false;
}

uint64_t there_count(const struct there *t, enum shardlist_split split, const char *part)
{
    const struct shardset *s = &t->sets[split];
    uint64_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!part || strcmp(s->parts[i], part) == 0)
            n += s->shards[i].n_stories;
    return n;
}
