#include "prep/series.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHER_FILES = 2 }; /* of a set, beside shards: the list and the vocabulary */

static bool is_listed(const struct shardlist *l, const char *file)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].file, file) == 0)
            return true;
    return false;
}

/* train.shard or, of a part, train-NAME.shard; with a number where there may be several. */
static void name_file(const struct series *s, size_t number, char out[SHARDLIST_NAME_BYTES])
{
    const char *split = shardlist_split_names[s->split];
    const char *dash = s->part ? "-" : "", *part = s->part ? s->part : "";
    if (number == 0 && !s->shard_tokens)
        snprintf(out, SHARDLIST_NAME_BYTES, "%s%s%s.shard", split, dash, part);
    else
        snprintf(out, SHARDLIST_NAME_BYTES, "%s%s%s-%05zu.shard", split, dash, part, number);
}

/* A name that the list does not have: what it has must stay until a new list is in place. */
static void choose_file(struct series *s)
{
    size_t number = 0;
    for (size_t i = 0; i < s->list->n; i++) {
        const struct shardlist_item *item = &s->list->items[i];
        number += item->split == s->split && strcmp(item->part, s->part ? s->part : "") == 0;
    }
    do
        name_file(s, number++, s->file);
    while (is_listed(s->list, s->file));
}

static int begin(struct series *s, struct err *e)
{
    char *path;
    if (s->shard_tokens && s->set->n >= FILE_SET_MAX - OTHER_FILES)
        return err_set(e,
                       "%s: --shard-tokens %" PRIu64 " gives more than the %d files that one run "
                       "writes; give a larger number, or add the stories in parts with --append",
                       s->folder, s->shard_tokens, FILE_SET_MAX);
    choose_file(s);
    if (asprintf(&path, "%s/%s", s->folder, s->file) < 0)
        return err_memory(e, "%s: out of memory", s->folder);
    s->writer = shard_create(path, s->vocab_size, s->vocab_fingerprint, e);
    s->n_tokens = 0;
    free(path);
    return s->writer ? 0 : -1;
}

static int finish(struct series *s, struct err *e)
{
    uint64_t fingerprint;
    struct shard_writer *w = s->writer;
    s->writer = NULL;
    s->n_all += s->n_tokens;
    return shard_finish(w, &fingerprint, s->set, e) ||
                   shardlist_add(s->list, s->file, s->split, s->part, fingerprint, e)
               ? -1
               : 0;
}

int series_add(struct series *s, const uint16_t *ids, size_t n, uint64_t n_chars, uint64_t n_bytes,
               struct err *e)
{
    bool full = s->shard_tokens && s->n_tokens && s->n_tokens + n + 1 > s->shard_tokens;
    if (full && finish(s, e))
        return -1;
    if (!s->writer && begin(s, e))
        return -1;
    s->n_tokens += n + 1;
    return shard_add(s->writer, ids, n, n_chars, n_bytes, e);
}

int series_end(struct series *s, bool empty, struct err *e)
{
    if (!s->writer && (s->n_all || !empty))
        return 0;
    if (!s->writer && begin(s, e))
        return -1;
    return finish(s, e);
}

void series_abort(struct series *s)
{
    shard_abort(s->writer);
    s->writer = NULL;
}
