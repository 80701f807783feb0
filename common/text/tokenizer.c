#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/merges.h"
#include "text/pretok.h"
#include "text/unicode.h"

/* The pairs of bytes at which a merge of the first `end` ranks joins. Where two bytes are no such
 * pair, none of these merges reaches across: what stands left and right may be merged by itself. */
struct joints {
    uint32_t end;
    uint32_t bits[256][256 / 32];
};

struct tokenizer {
    const struct vocab *v;
    struct merges merges;
    uint32_t n_merges;     /* v may have dropped its own */
    uint16_t *ids;         /* [n_symbols]: token of a symbol, or UNK */
    struct joints *joints; /* of the merges inside words; NULL if there are no others */
};

/* One pre-token under way: a doubly linked list of symbols over its positions, and a heap of the
 * merges that might be made, so that n bytes cost O(n log n) whatever they are. */
enum { WORK_SMALL = 64, WORK_BYTES = 3 * sizeof(uint64_t) + 3 * sizeof(uint32_t) };
struct work {
    uint64_t *heap; /* [3n] rank << 32 | position: lowest rank first, then leftmost */
    size_t n_heap;
    uint32_t *symbol; /* [n] */
    uint32_t *next;   /* [n]; n at the end */
    uint32_t *prev;   /* [n]; n at the start */
    uint32_t n;
    uint32_t end;     /* of the ranks to merge by */
    uint64_t *memory; /* owned; NULL for a short pre-token and where the cache has room */
    uint64_t small[WORK_SMALL * WORK_BYTES / sizeof(uint64_t)];
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
    uint64_t *work;                /* room for the work on a long pre-token */
    size_t work_bytes;             /* its length */
};

/* True if a merge joins two words, a space between them. */
static bool joins_words(const struct vocab_merge *m)
{
    unsigned char last = m->left.data[m->left.n - 1];
    return m->right.data[0] == ' ' && unicode_ascii_class[last] != UNICODE_SPACE;
}

/* Whatever the ranks up to the first merge of two words are, what tokenizer_symbols makes of them
 * is right: only its speed hangs on their being merges inside words. */
static struct joints *find_joints(const struct vocab *v)
{
    struct joints *j = calloc(1, sizeof *j);
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
    struct joints *joints = sentences ? find_joints(v) : NULL;
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
    *t = (struct tokenizer){v, *m, v->n_merges, ids, joints};
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
    free(t);
}

static void heap_push(struct work *w, uint64_t key)
{
    size_t i = w->n_heap++;
    while (i > 0 && w->heap[(i - 1) / 2] > key) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = key;
}

static uint64_t heap_pop(struct work *w)
{
    uint64_t top = w->heap[0];
    uint64_t key = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        child += child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child];
        if (w->heap[child] >= key)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = key;
    return top;
}

/* Proposes joining the symbol at position i with its neighbour, if there is such a merge. */
static void propose(const struct merges *m, struct work *w, uint32_t i)
{
    if (i == w->n || w->next[i] == w->n)
        return;
    uint32_t rank = merges_rank(m, w->symbol[i], w->symbol[w->next[i]]);
    if (rank < w->end)
        heap_push(w, (uint64_t)rank << 32 | i);
}

/* Runs the merges of ranks below w->end on the symbols. Positions joined to their left neighbour
 * get a symbol that is in no merge, so proposals made before that are known to be stale. */
static void merge_all(const struct merges *m, struct work *w)
{
    const uint32_t gone = UINT32_MAX;
    for (uint32_t i = 0; i < w->n; i++) {
        w->next[i] = i + 1;
        w->prev[i] = i ? i - 1 : w->n;
    }
    for (uint32_t i = 0; i < w->n; i++)
        propose(m, w, i);
    while (w->n_heap) {
        uint64_t top = heap_pop(w);
        uint32_t i = (uint32_t)top;
        const struct merges_pair *p = &m->pairs[top >> 32];
        uint32_t j = w->next[i];
        if (w->symbol[i] != p->left || j == w->n || w->symbol[j] != p->right)
            continue;
        w->symbol[i] = p->result;
        w->symbol[j] = gone;
        w->next[i] = w->next[j];
        if (w->next[i] < w->n)
            w->prev[w->next[i]] = i;
        propose(m, w, w->prev[i]);
        propose(m, w, i);
    }
}

static int work_init(struct work *w, struct tokenizer_cache *cache, size_t n, uint32_t end,
                     struct err *e)
{
    w->memory = NULL;
    w->heap = w->small;
    if (n > WORK_SMALL) {
        bool fits = cache && n <= cache->work_bytes;
        size_t size;
        if (!fits && n < UINT32_MAX && size_mul(n, WORK_BYTES, &size))
            w->memory = malloc(size);
        w->heap = fits ? cache->work : w->memory;
        if (!w->heap)
            return err_memory(e, "out of memory for a word of %zu bytes", n);
    }
    w->n_heap = 0;
    w->end = end;
    w->n = (uint32_t)n;
    w->symbol = (uint32_t *)(void *)(w->heap + 3 * n);
    w->next = w->symbol + n;
    w->prev = w->next + n;
    return 0;
}

/* Appends the ids of one word, or its symbols where words may still be joined; out has room for n
 * of them. */
static int encode_pretoken(const struct tokenizer *t, struct tokenizer_cache *cache,
                           const char *bytes, size_t n, struct token_buf *out, struct err *e)
{
    struct work w;
    if (work_init(&w, cache, n, t->joints ? t->joints->end : t->n_merges, e))
        return -1;
    for (uint32_t i = 0; i < w.n; i++)
        w.symbol[i] = (unsigned char)bytes[i];
    merge_all(&t->merges, &w);
    for (uint32_t i = 0; i < w.n; i = w.next[i])
        out->ids[out->n++] = t->joints ? (uint16_t)w.symbol[i] : t->ids[w.symbol[i]];
    free(w.memory);
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

/* encode_pretoken by way of the cache, for 0 < n <= CACHE_MAX_BYTES. */
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

static struct tokenizer_cache *cache_new(size_t n_sets, size_t work_bytes, struct err *e)
{
    size_t size;
    struct tokenizer_cache *c = calloc(1, sizeof *c);
    if (c) {
        *c = (struct tokenizer_cache){calloc(n_sets, sizeof *c->sets), n_sets, NULL, work_bytes};
        if (work_bytes > 0 && work_bytes < UINT32_MAX && size_mul(work_bytes, WORK_BYTES, &size))
            c->work = malloc(size);
        if (c->sets && (c->work || work_bytes == 0))
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
    free(c->work);
    free(c);
}

bool tokenizer_border(const struct tokenizer *t, unsigned char left, unsigned char right)
{
    return !(t->joints->bits[left][right / 32] >> right % 32 & 1);
}

/* Length of what begins text[0..n) and is merged by itself. */
static size_t next_word(const struct tokenizer *t, const char *text, size_t n)
{
    size_t at = pretok_next(text, n);
    while (t->joints && at < n &&
           !tokenizer_border(t, (unsigned char)text[at - 1], (unsigned char)text[at]))
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
        int status = cache && length <= CACHE_MAX_BYTES
                         ? encode_cached(t, cache, text + at, length, out, e)
                         : encode_pretoken(t, cache, text + at, length, out, e);
        if (status)
            return -1;
        at += length;
    }
    return 0;
}

int tokenizer_join(const struct tokenizer *t, struct tokenizer_cache *cache, struct token_buf *out,
                   size_t from, struct err *e)
{
    struct work w;
    if (work_init(&w, cache, out->n - from, t->n_merges, e))
        return -1;
    for (uint32_t i = 0; i < w.n; i++)
        w.symbol[i] = out->ids[from + i];
    merge_all(&t->merges, &w);
    out->n = from;
    for (uint32_t i = 0; i < w.n; i = w.next[i])
        out->ids[out->n++] = t->ids[w.symbol[i]];
    free(w.memory);
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
