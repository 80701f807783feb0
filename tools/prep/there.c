#include "prep/there.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/normalize.h"

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
    *t = (struct there){0};
}

static int add_story(const struct vocab *v, const uint16_t *ids, size_t n, struct text_buf *text,
                     struct storyset *seen, struct err *e)
{
    bool is_new;
    text->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct vocab_bytes b = v->tokens[ids[i]].bytes;
        if (ids[i] == VOCAB_UNK)
            return 0;
        if (array_reserve(&text->data, &text->capacity, text->n + b.n, 1))
            return err_memory(e, "out of memory for a story of %zu tokens", n);
        memcpy(text->data + text->n, b.data, b.n);
        text->n += b.n;
    }
    return text->n ? storyset_add(seen, hash128(text->data, text->n), &is_new, e) : 0;
}

static int add_shard(const struct vocab *v, const struct shard *s, struct text_buf *text,
                     struct storyset *seen, struct err *e)
{
    for (uint64_t i = 0; i < s->n_stories; i++) {
        size_t n = (size_t)(s->stories[i + 1] - s->stories[i]) - 1;
        if (add_story(v, s->tokens + s->stories[i], n, text, seen, e))
            return -1;
    }
    return 0;
}

int there_stories(const struct there *t, struct storyset *seen, struct err *e)
{
    struct text_buf text = {0};
    int rc = 0;
    for (int split = 0; split < SHARDLIST_N_SPLITS; split++)
        for (size_t i = 0; i < t->sets[split].n && rc == 0; i++)
            rc = add_shard(t->vocab, &t->sets[split].shards[i], &text, seen, e);
    free(text.data);
    return rc;
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
