#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/merging.h"
#include "text/pretok.h"
#include "text/unicode.h"

struct tokenizer {
    const struct vocab *v;
    struct merges merges;
    uint32_t n_merges;               /* v may have dropped its own */
    uint16_t *ids;                   /* [n_symbols]: token of a symbol, or UNK */
    struct tokenizer_joints *joints; /* of the merges inside words; NULL if there are no others */
    struct ranktable table;          /* for sentences; without slots where it could not be built */
};

/* The pre-tokens met most lately, each in one cache line, in sets of two by hash. */
enum { CACHE_SETS = 1 << 15, CACHE_FEW_SETS = 1 << 8, CACHE_MAX_BYTES = 24, CACHE_MAX_IDS = 19 };
struct cache_entry {
    uint64_t key[CACHE_MAX_BYTES / 8]; /* the bytes, then zeros */
    uint8_t n;                         /* bytes; 0: free */
    uint8_t n_ids;
    uint16_t ids[CACHE_MAX_IDS];
};
struct tokenizer_cache {
    struct cache_entry (*sets)[2]; /* of each set, the one put in last stands first */
    size_t n_sets;                 /* a power of two */
    void *room;                    /* to merge a long pre-token in */
    size_t room_bytes;
};

/* True if a merge joins two words, a space between them. */
static bool joins_words(const struct vocab_merge *m)
{
    unsigned char last = m->left.data[m->left.n - 1];
    return m->right.data[0] == ' ' && unicode_ascii_class[last] != UNICODE_SPACE;
}

/* Whatever the ranks up to the first merge of two words are, what tokenizer_symbols makes of them
 * is right: that they are merges inside words matters for speed only. */
static struct tokenizer_joints *find_joints(const struct vocab *v)
{
    struct tokenizer_joints *j = calloc(1, sizeof *j);
    for (; j && j->end < v->n_merges && !joins_words(&v->merges[j->end]); j->end++) {
        const struct vocab_merge *m = &v->merges[j->end];
        unsigned char right = m->right.data[0];
        j->bits[m->left.data[m->left.n - 1]][right / 32] |= UINT32_C(1) << right % 32;
    }
    return j;
}

/* Takes over the merges. */
static struct tokenizer *new_from(struct merges *m, const struct vocab *v, struct err *e)
{
    struct tokenizer *t = calloc(1, sizeof *t);
    uint16_t *ids = malloc(m->n_symbols * sizeof *ids);
    bool sentences = v->pretokens == VOCAB_SENTENCES;
    struct tokenizer_joints *joints = sentences ? find_joints(v) : NULL;
    if (!t || !ids || (sentences && !joints)) {
        free(t);
        free(ids);
        free(joints);
        merges_release(m);
        err_memory(e, "out of memory for a tokenizer of %u tokens", v->n_tokens);
        return NULL;
    }
    for (uint32_t s = 0; s < m->n_symbols; s++)
        ids[s] = VOCAB_UNK;
    for (uint32_t id = VOCAB_N_SPECIAL; id < v->n_tokens; id++) {
        uint32_t s = bytemap_get(&m->by_bytes, v->tokens[id].bytes);
        if (s != BYTEMAP_NONE)
            ids[s] = (uint16_t)id;
    }
    merges_drop_bytes(m);
    *t = (struct tokenizer){v, *m, v->n_merges, ids, joints, {0}};
    if (sentences)
        (void)ranktable_init(&t->table, m, v->n_merges);
    return t;
}

struct tokenizer *tokenizer_new(const struct vocab *v, struct err *e)
{
    struct merges m;
    return merges_init(&m, v, "vocabulary", e) ? NULL : new_from(&m, v, e);
}

struct tokenizer *tokenizer_new_checked(const struct vocab *v, const char *name, struct err *e)
{
    struct merges m;
    struct err fault;
    if (vocab_check_merges(v, &m, name, e))
        return NULL;
    struct tokenizer *t = new_from(&m, v, &fault);
    if (!t)
        err_at(e, name, &fault);
    return t;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    merges_release(&t->merges);
    free(t->ids);
    free(t->joints);
    ranktable_release(&t->table);
    free(t);
}

static const struct ranktable *table(const struct tokenizer *t)
{
    return t->table.slots ? &t->table : NULL;
}

static int begin(struct merging *g, const struct tokenizer_cache *cache, size_t n, struct err *e)
{
    if (merging_begin(g, n, cache ? cache->room : NULL, cache ? cache->room_bytes : 0))
        return err_memory(e, "out of memory for a word of %zu bytes", n);
    return 0;
}

/* Appends the ids of one word, or its symbols where words may still be joined; out has room for n
 * of them. */
static int encode_pretoken(const struct tokenizer *t, struct tokenizer_cache *cache,
                           const char *bytes, size_t n, struct token_buf *out, struct err *e)
{
    struct merging g;
    if (begin(&g, cache, n, e))
        return -1;
    for (size_t i = 0; i < n; i++)
        g.symbols[i] = (unsigned char)bytes[i];
    merging_run(
        &g, &(struct merging_by){&t->merges, table(t), t->joints ? t->joints->end : t->n_merges});
    for (size_t i = 0; i < g.n; i++)
        out->ids[out->n++] = t->joints ? (uint16_t)g.symbols[i] : t->ids[g.symbols[i]];
    merging_end(&g);
    return 0;
}

static bool same_key(const struct cache_entry *a, const struct cache_entry *b)
{
    return a->n == b->n && a->key[0] == b->key[0] && a->key[1] == b->key[1] &&
           a->key[2] == b->key[2];
}

static size_t cache_hash(const struct cache_entry *c)
{
    uint64_t h = (c->key[0] ^ c->n) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32 ^ c->key[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 32 ^ c->key[2]) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(h >> 32);
}

/* encode_pretoken through the cache, for 0 < n <= CACHE_MAX_BYTES. */
static int encode_cached(const struct tokenizer *t, struct tokenizer_cache *cache,
                         const char *bytes, size_t n, struct token_buf *out, struct err *e)
{
    struct cache_entry wanted = {.n = (uint8_t)n};
    memcpy(wanted.key, bytes, n);
    struct cache_entry *set = cache->sets[cache_hash(&wanted) & (cache->n_sets - 1)];
    for (int way = 0; way < 2; way++) {
        if (!same_key(&set[way], &wanted))
            continue;
        for (size_t i = 0; i < set[way].n_ids; i++)
            out->ids[out->n++] = set[way].ids[i];
        return 0;
    }
    size_t before = out->n;
    if (encode_pretoken(t, cache, bytes, n, out, e))
        return -1;
    size_t n_ids = out->n - before;
    if (n_ids > CACHE_MAX_IDS)
        return 0;
    wanted.n_ids = (uint8_t)n_ids;
    memcpy(wanted.ids, out->ids + before, n_ids * sizeof *wanted.ids);
    set[1] = set[0];
    set[0] = wanted;
    return 0;
}

static struct tokenizer_cache *cache_new(size_t n_sets, size_t max_bytes, struct err *e)
{
    size_t size = 0;
    struct tokenizer_cache *c = calloc(1, sizeof *c);
    if (c) {
        *c = (struct tokenizer_cache){.sets = calloc(n_sets, sizeof *c->sets), .n_sets = n_sets};
        if (max_bytes > 0 && max_bytes < UINT32_MAX && size_mul(max_bytes, MERGING_BYTES, &size))
            c->room = malloc(size);
        c->room_bytes = c->room ? size : 0;
        if (c->sets && (c->room || max_bytes == 0))
            return c;
    }
    tokenizer_cache_free(c);
    err_memory(e, "out of memory for a cache of words");
    return NULL;
}

struct tokenizer_cache *tokenizer_cache_new(struct err *e)
{
    return cache_new(CACHE_SETS, 0, e);
}

struct tokenizer_cache *tokenizer_cache_new_small(size_t max_bytes, struct err *e)
{
    return cache_new(CACHE_FEW_SETS, max_bytes, e);
}

void tokenizer_cache_free(struct tokenizer_cache *c)
{
    if (!c)
        return;
    free(c->sets);
    free(c->room);
    free(c);
}

const struct tokenizer_joints *tokenizer_joints(const struct tokenizer *t)
{
    return t->joints;
}

/* Length of what begins text[0..n) and is merged by itself. */
static size_t next_word(const struct tokenizer *t, const char *text, size_t n)
{
    size_t at = pretok_next(text, n);
    while (t->joints && at < n &&
           tokenizer_joins(t->joints, (unsigned char)text[at - 1], (unsigned char)text[at]))
        at += pretok_next(text + at, n - at);
    return at;
}

int tokenizer_symbols(const struct tokenizer *t, struct tokenizer_cache *cache, const char *text,
                      size_t n, struct token_buf *out, struct err *e)
{
    for (size_t at = 0; at < n;) {
        size_t length = next_word(t, text + at, n - at);
        if (array_reserve(&out->ids, &out->capacity, out->n + length, sizeof *out->ids))
            return err_memory(e, "out of memory for %zu tokens", out->n + length);
        int rc = cache && length <= CACHE_MAX_BYTES
                     ? encode_cached(t, cache, text + at, length, out, e)
                     : encode_pretoken(t, cache, text + at, length, out, e);
        if (rc)
            return -1;
        at += length;
    }
    return 0;
}

int tokenizer_join(const struct tokenizer *t, struct tokenizer_cache *cache, struct token_buf *out,
                   size_t from, struct err *e)
{
    struct merging g;
    if (begin(&g, cache, out->n - from, e))
        return -1;
    for (size_t i = 0; i < g.n; i++)
        g.symbols[i] = out->ids[from + i];
    merging_run(&g, &(struct merging_by){&t->merges, table(t), t->n_merges});
    out->n = from;
    for (size_t i = 0; i < g.n; i++)
        out->ids[out->n++] = t->ids[g.symbols[i]];
    merging_end(&g);
    return 0;
}

int tokenizer_encode(const struct tokenizer *t, struct tokenizer_cache *cache, const char *text,
                     size_t n, struct token_buf *out, struct err *e)
{
    if (!t->joints)
        return tokenizer_symbols(t, cache, text, n, out, e);
    for (size_t at = 0, length; at < n; at += length) {
        size_t from = out->n;
        length = pretok_sentence(text + at, n - at);
        if (tokenizer_symbols(t, cache, text + at, length, out, e) ||
            tokenizer_join(t, cache, out, from, e))
            return -1;
    }
    return 0;
}

struct vocab_bytes tokenizer_decode(const struct tokenizer *t, uint16_t id)
{
    if (id == VOCAB_UNK)
        return (struct vocab_bytes){(const unsigned char *)"\xef\xbf\xbd", 3};
    if (id < VOCAB_N_SPECIAL)
        return (struct vocab_bytes){(const unsigned char *)"", 0};
    return t->v->tokens[id].bytes;
}
