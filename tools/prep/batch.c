#include "prep/batch.h"

#include <stdlib.h>

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
    b->raw = (struct stories){.most_bytes = BATCH_BYTES, .most = BATCH_STORIES};
}

void batch_release(struct batch *b)
{
    free(b->text.data);
    free(b->words);
    free(b->unknown);
    stories_release(&b->raw);
}

void batch_worker_release(struct batch_worker *w)
{
    unicode_scratch_release(&w->unicode);
    free(w->text.data);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Where the words of a story come from and go to. */
struct cutting {
    struct batch *b;
    struct wordcache *cache;
    const struct words *table;
    const char *text; /* of the story, [n] */
    size_t n;
};

static int add_unknown(struct cutting *c, size_t at, size_t n, uint64_t hash, struct err *e)
{
    struct batch *b = c->b;
    if (reserve(&b->unknown, &b->unknown_capacity, b->n_unknown + 1, sizeof *b->unknown, e))
        return -1;
    b->unknown[b->n_unknown++] = (struct batch_unknown){.at = at, .n = n, .hash = hash};
    return 0;
}

/* A word that the cache lacks, or is too long for it. */
static int find_word(struct cutting *c, size_t at, size_t n, uint32_t *number, struct err *e)
{
    uint64_t hash = hash64(c->text + at, n);
    *number = words_find(c->table, c->text + at, n, hash);
    return *number == WORDS_NONE ? add_unknown(c, at, n, hash, e) : 0;
}

/* The words of text[at..) of the lengths given. */
static int find_words(struct cutting *c, size_t at, const uint32_t *lengths, size_t n_words,
                      uint32_t *numbers, struct err *e)
{
    for (size_t i = 0; i < n_words; at += lengths[i++]) {
        size_t n = lengths[i];
        if (n > WORDCACHE_BYTES) {
            if (find_word(c, at, n, &numbers[i], e))
                return -1;
            continue;
        }
        struct wordcache_key key = wordcache_key(c->text + at, n, c->n - at);
        struct wordcache_slot *slot = wordcache_slot(c->cache, key);
        numbers[i] = slot->number;
        if (wordcache_is(slot, key, n))
            continue;
        if (find_word(c, at, n, &numbers[i], e))
            return -1;
        if (numbers[i] != WORDS_NONE)
            *slot = (struct wordcache_slot){key, (uint32_t)n, numbers[i]};
    }
    return 0;
}

/* The words of the text from one place to another. */
static int cut_words(struct cutting *c, size_t from, size_t end, struct err *e)
{
    struct batch *b = c->b;
    uint32_t lengths[PRETOK_MOST];
    for (size_t at = from; at < end;) {
        size_t n = pretok_words(c->text + at, end - at, lengths);
        if (reserve(&b->words, &b->words_capacity, b->n_words + n, sizeof *b->words, e) ||
            find_words(c, at, lengths, n, b->words + b->n_words, e))
            return -1;
        b->n_words += n;
        for (size_t i = 0; i < n; i++)
            at += lengths[i];
    }
    return 0;
}

static int cut_sentences(struct cutting *c, struct err *e)
{
    for (size_t at = 0, n; at < c->n; at += n) {
        n = pretok_sentence(c->text + at, c->n - at);
        if (cut_words(c, at, at + n, e))
            return -1;
    }
    return 0;
}

/* ---- stories --------------------------------------------------------------------------------- */

/* Story i; `text` is left out where it is not in b->raw, as are `words` and `unknown`, since the
 * arrays may move. */
static int take_story(struct batch *b, struct batch_worker *w, struct vocab_form form,
                      enum vocab_pretokens pretokens, const struct words *table, size_t i,
                      struct err *e)
{
    struct normalize_view v;
    struct normalize_stats stats = {0};
    size_t n_raw;
    const char *raw = stories_raw(&b->raw, i, &n_raw);
    if (normalize_view(&w->unicode, form, raw, n_raw, &w->text, &v, &stats, e))
        return -1;
    size_t n_words = b->n_words, n_unknown = b->n_unknown;
    struct cutting c = {b, &w->cache, table, v.text, v.n};
    if (pretokens == VOCAB_SENTENCES ? cut_sentences(&c, e) : cut_words(&c, 0, v.n, e))
        return -1;
    b->n_invalid += stats.n_invalid;
    b->stories[i] = (struct batch_story){.n_bytes = v.n,
                                         .n_chars = v.n_chars,
                                         .hash = hash128(v.text, v.n),
                                         .n_words = b->n_words - n_words,
                                         .text = v.in_place ? v.text : NULL,
                                         .n_unknown = b->n_unknown - n_unknown};
    if (v.in_place || b->n_unknown == n_unknown)
        return 0;
    if (reserve(&b->text.data, &b->text.capacity, b->text.n + v.n, 1, e))
        return -1;
    memcpy(b->text.data + b->text.n, v.text, v.n);
    b->text.n += v.n;
    return 0;
}

/* The arrays stand still now: every story gets its place in them. */
static void point_stories(struct batch *b)
{
    uint32_t *words = b->words;
    const struct batch_unknown *unknown = b->unknown;
    const char *text = b->text.data;
    for (size_t i = 0; i < b->raw.n; i++) {
        struct batch_story *s = &b->stories[i];
        s->words = words;
        s->unknown = unknown;
        words += s->n_words;
        unknown += s->n_unknown;
        if (s->text || !s->n_unknown)
            continue;
        s->text = text;
        text += s->n_bytes;
    }
}

int batch_process(struct batch *b, struct batch_worker *w, struct vocab_form form,
                  enum vocab_pretokens pretokens, const struct words *table, struct err *e)
{
    b->text.n = b->n_words = b->n_unknown = 0;
    b->n_invalid = 0;
    b->segment = table->segment;
    if (w->segment != table->segment)
        memset(&w->cache, 0, sizeof w->cache);
    w->segment = table->segment;
    for (size_t i = 0; i < b->raw.n; i++)
        if (take_story(b, w, form, pretokens, table, i, e))
            return -1;
    point_stories(b);
    return 0;
}

int batch_resolve(struct batch_story *s, struct words *table, struct err *e)
{
    const struct batch_unknown *u = s->unknown, *end = u + s->n_unknown;
    for (size_t i = 0; u < end; i++) {
        if (s->words[i] != WORDS_NONE)
            continue;
        if (words_add(table, s->text + u->at, u->n, u->hash, &s->words[i], e))
            return -1;
        u++;
    }
    return 0;
}
