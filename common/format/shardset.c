#include "format/shardset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making one ------------------------------------------------------------------------------ */

static int grow(struct shardset *s, size_t wanted, struct err *e)
{
    if (wanted <= s->capacity && s->capacity)
        return 0;
    size_t capacity = MAX(wanted, 2 * s->capacity);
    struct shard *shards = realloc(s->shards, capacity * sizeof *shards);
    s->shards = shards ? shards : s->shards;
    uint64_t *tokens = realloc(s->first_token, (capacity + 1) * sizeof *tokens);
    s->first_token = tokens ? tokens : s->first_token;
    uint64_t *stories = realloc(s->first_story, (capacity + 1) * sizeof *stories);
    s->first_story = stories ? stories : s->first_story;
    void *parts = realloc(s->parts, capacity * sizeof *s->parts);
    s->parts = parts ? parts : s->parts;
    if (!shards || !tokens || !stories || !parts)
        return err_memory(e, "out of memory for %zu shards", wanted);
    s->capacity = capacity;
    return 0;
}

/* The fingerprint of a single shard is its own, without a look at its tokens. */
static int print_first(const struct shardset *s, size_t n, uint64_t *fingerprint, struct err *e)
{
    *fingerprint = n == 1 ? s->shards[0].fingerprint : 0;
    return n < 2 ? 0 : shard_join_fingerprint(s->shards, n, fingerprint, e);
}

static int append(struct shardset *s, const struct shard *shard, const char *part, struct err *e)
{
    if (grow(s, s->n + 1, e))
        return -1;
    s->first_token[s->n] = s->n_tokens;
    s->first_story[s->n] = s->n_stories;
    snprintf(s->parts[s->n], sizeof *s->parts, "%s", part ? part : "");
    s->shards[s->n++] = *shard;
    s->n_tokens += shard->n_tokens;
    s->n_stories += shard->n_stories;
    s->n_chars += shard->n_chars;
    s->n_bytes += shard->n_bytes;
    s->n_unk += shard->n_unk;
    s->first_token[s->n] = s->n_tokens;
    s->first_story[s->n] = s->n_stories;
    s->vocab_size = shard->vocab_size;
    s->vocab_fingerprint = shard->vocab_fingerprint;
    return 0;
}

int shardset_add(struct shardset *s, const struct shard *shard, const char *part, struct err *e)
{
    return append(s, shard, part, e) ? -1 : print_first(s, s->n, &s->fingerprint, e);
}

static int open_one(struct shardset *s, const char *path, const char *part, uint64_t expected,
                    uint64_t vocab_fingerprint, uint32_t vocab_size, struct err *e)
{
    struct shard shard;
    if (shard_open(&shard, path, e))
        return -1;
    int rc = 0;
    if (shard.vocab_fingerprint != vocab_fingerprint)
        rc = err_set(e,
                     "%s: made with another vocabulary (found %016" PRIx64 ", expected %016" PRIx64
                     "); prep --vocab makes shards with a given one",
                     path, shard.vocab_fingerprint, vocab_fingerprint);
    else if (shard.vocab_size != vocab_size)
        rc = err_set(e, "%s: wrong size of the vocabulary (found %u, expected %u)", path,
                     shard.vocab_size, vocab_size);
    else if (expected && shard.fingerprint != expected)
        rc = err_set(e,
                     "%s: not the shard that shards.json lists (found %016" PRIx64
                     ", expected %016" PRIx64 "): an interrupted prep; run it again",
                     path, shard.fingerprint, expected);
    if (rc == 0)
        rc = append(s, &shard, part, e);
    if (rc)
        shard_close(&shard);
    return rc;
}

int shardset_open_file(struct shardset *s, const char *path, uint64_t vocab_fingerprint,
                       uint32_t vocab_size, struct err *e)
{
    if (open_one(s, path, NULL, 0, vocab_fingerprint, vocab_size, e) == 0 &&
        print_first(s, s->n, &s->fingerprint, e) == 0)
        return 0;
    shardset_close(s);
    return -1;
}

int shardset_open(struct shardset *s, const struct shardlist *list, const char *folder,
                  enum shardlist_split split, uint64_t vocab_fingerprint, uint32_t vocab_size,
                  struct err *e)
{
    int rc = 0;
    if (list->vocab_fingerprint && list->vocab_fingerprint != vocab_fingerprint)
        rc = err_set(e,
                     "%s/shards.json: lists shards of another vocabulary (found %016" PRIx64
                     ", expected %016" PRIx64 ")",
                     folder, list->vocab_fingerprint, vocab_fingerprint);
    for (size_t i = 0; i < list->n && rc == 0; i++) {
        const struct shardlist_item *item = &list->items[i];
        char *path;
        if (item->split != split)
            continue;
        if (asprintf(&path, "%s/%s", folder, item->file) < 0) {
            rc = err_memory(e, "%s: out of memory", folder);
            continue;
        }
        rc = open_one(s, path, item->part, item->fingerprint, vocab_fingerprint, vocab_size, e);
        free(path);
    }
    if (rc == 0)
        rc = print_first(s, s->n, &s->fingerprint, e);
    if (rc)
        shardset_close(s);
    return rc;
}

int shardset_part(struct shardset *s, const struct shardset *all, const char *part, struct err *e)
{
    *s = (struct shardset){0};
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->parts[i], part) == 0 && append(s, &all->shards[i], part, e)) {
            shardset_release(s);
            return -1;
        }
    if (print_first(s, s->n, &s->fingerprint, e) == 0)
        return 0;
    shardset_release(s);
    return -1;
}

int shardset_cut(struct shardset *s, size_t n, struct err *e)
{
    while (s->n > n) {
        struct shard *last = &s->shards[--s->n];
        s->n_tokens -= last->n_tokens;
        s->n_stories -= last->n_stories;
        s->n_chars -= last->n_chars;
        s->n_bytes -= last->n_bytes;
        s->n_unk -= last->n_unk;
        shard_close(last);
    }
    return print_first(s, n, &s->fingerprint, e);
}

void shardset_release(struct shardset *s)
{
    free(s->shards);
    free(s->first_token);
    free(s->first_story);
    free(s->parts);
    *s = (struct shardset){0};
}

void shardset_close(struct shardset *s)
{
    for (size_t i = 0; i < s->n; i++)
        shard_close(&s->shards[i]);
    shardset_release(s);
}

/* ---- reading it ------------------------------------------------------------------------------ */

/* The last shard that begins at or before `at`; those without tokens before it are passed over. */
static size_t find(const uint64_t *first, size_t n, uint64_t at)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (first[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void shardset_copy(const struct shardset *s, uint64_t first, size_t n, uint16_t *out)
{
    for (size_t i = find(s->first_token, s->n, first); n > 0; i++) {
        size_t count = MIN(n, (size_t)(s->first_token[i + 1] - first));
        if (count > 0)
            memcpy(out, s->shards[i].tokens + (first - s->first_token[i]), count * sizeof *out);
        first += count;
        out += count;
        n -= count;
    }
}

uint64_t shardset_story(const struct shardset *s, uint64_t i)
{
    if (i >= s->n_stories)
        return s->n_tokens;
    size_t k = find(s->first_story, s->n, i);
    return s->first_token[k] + s->shards[k].stories[i - s->first_story[k]];
}

int shardset_find_prefix(const struct shardset *s, uint64_t fingerprint, size_t *n, struct err *e)
{
    uint64_t found;
    if (fingerprint == s->fingerprint) {
        *n = s->n;
        return 0;
    }
    for (*n = 1; *n < s->n; ++*n) {
        if (print_first(s, *n, &found, e))
            return -1;
        if (found == fingerprint)
            return 0;
    }
    *n = SIZE_MAX;
    return 0;
}
