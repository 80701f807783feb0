#include "prep/words.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum {
    UNIT = 8,              /* texts begin at multiples of so many bytes */
    BLOCK_UNITS = 1 << 17, /* 1 MiB */
    MOST_BLOCKS = 1 << 15, /* so that the place of a text has 32 bits */
    FIRST_SLOTS = 1 << 15
};

/* A word as threads that look it up see it. It never changes nor moves. */
struct text {
    uint32_t number, n;
    char bytes[];
};

/* Open addressing. A slot is the upper half of a hash, which also says where the word belongs, and
 * 1 + the place of its text, in units; 0 is a free one. */
struct slots {
    struct slots *before; /* the table that this one has replaced: a thread may still use it */
    size_t n;             /* a power of two */
    _Atomic uint64_t items[];
};

struct words_index {
    struct slots *_Atomic slots;
    char *blocks[MOST_BLOCKS]; /* of texts; one that is longer than a block has a larger one */
    uint32_t n_blocks;
    uint32_t n_units; /* used of the last block */
};

static const struct text *text_at(const struct words_index *x, uint32_t place)
{
    const char *block = x->blocks[place / BLOCK_UNITS];
    return (const void *)(block + (size_t)(place % BLOCK_UNITS) * UNIT);
}

static size_t place_of(const struct slots *s, uint32_t half)
{
    return half & (s->n - 1);
}

uint32_t words_find(const struct words *w, const char *bytes, size_t n, uint64_t hash)
{
    if (!w->index)
        return WORDS_NONE;
    const struct slots *s = atomic_load_explicit(&w->index->slots, memory_order_acquire);
    uint32_t half = (uint32_t)(hash >> 32);
    for (size_t i = place_of(s, half);; i = (i + 1) & (s->n - 1)) {
        uint64_t slot = atomic_load_explicit(&s->items[i], memory_order_acquire);
        if (!slot)
            return WORDS_NONE;
        if (slot >> 32 != half)
            continue;
        const struct text *t = text_at(w->index, (uint32_t)slot - 1);
        if (t->n == n && !memcmp(t->bytes, bytes, n))
            return t->number;
    }
}

static void put(struct slots *s, uint64_t slot)
{
    size_t i = place_of(s, (uint32_t)(slot >> 32));
    while (atomic_load_explicit(&s->items[i], memory_order_relaxed))
        i = (i + 1) & (s->n - 1);
    atomic_store_explicit(&s->items[i], slot, memory_order_release);
}

static int grow_slots(struct words_index *x, struct err *e)
{
    struct slots *old = atomic_load_explicit(&x->slots, memory_order_relaxed);
    size_t n = old ? 2 * old->n : FIRST_SLOTS;
    struct slots *s = calloc(1, sizeof *s + n * sizeof *s->items);
    if (!s)
        return err_memory(e, "out of memory for %zu distinct words", n / 2);
    s->n = n;
    s->before = old;
    for (size_t i = 0; old && i < old->n; i++) {
        uint64_t slot = atomic_load_explicit(&old->items[i], memory_order_relaxed);
        if (slot)
            put(s, slot);
    }
    atomic_store_explicit(&x->slots, s, memory_order_release);
    return 0;
}

static int grow_items(struct words *w, struct err *e)
{
    if (w->n >= UINT32_MAX / 2)
        return err_set(e, "too many distinct words (more than %u)", w->n);
    uint32_t capacity = w->capacity ? 2 * w->capacity : 1 << 14;
    struct pretoken *items = realloc(w->items, capacity * sizeof *items);
    if (!items)
        return err_memory(e, "out of memory for %u distinct words", capacity);
    w->items = items;
    w->capacity = capacity;
    return 0;
}

static size_t text_units(size_t n)
{
    return DIV_UP(sizeof(struct text) + n, (size_t)UNIT);
}

/* Room for a text of n bytes; its place goes to *place. NULL when there is none. */
static struct text *new_text(struct words_index *x, size_t n, uint32_t *place)
{
    size_t n_units = text_units(n);
    if (!x->n_blocks || n_units > BLOCK_UNITS - x->n_units) {
        char *block =
            x->n_blocks < MOST_BLOCKS ? malloc(MAX(n_units, (size_t)BLOCK_UNITS) * UNIT) : NULL;
        if (!block)
            return NULL;
        x->blocks[x->n_blocks++] = block;
        x->n_units = 0;
    }
    *place = (x->n_blocks - 1) * (uint32_t)BLOCK_UNITS + x->n_units;
    x->n_units += (uint32_t)MIN(n_units, (size_t)BLOCK_UNITS - x->n_units);
    return (void *)(uintptr_t)text_at(x, *place);
}

int words_init(struct words *w, struct err *e)
{
    *w = (struct words){.segment = w->segment, .index = calloc(1, sizeof *w->index)};
    return w->index ? grow_slots(w->index, e) : err_memory(e, "out of memory for words");
}

int words_add(struct words *w, const char *bytes, size_t n, uint64_t hash, uint32_t *number,
              struct err *e)
{
    if (!w->index && words_init(w, e))
        return -1;
    struct words_index *x = w->index;
    *number = words_find(w, bytes, n, hash);
    if (*number != WORDS_NONE)
        return 0;
    if (2 * ((size_t)w->n + 1) > x->slots->n && grow_slots(x, e))
        return -1;
    if (w->n == w->capacity && grow_items(w, e))
        return -1;
    uint32_t place;
    struct text *t = n <= UINT32_MAX ? new_text(x, n, &place) : NULL;
    if (!t)
        return err_memory(e, "out of memory for a word of %zu bytes", n);
    w->text_bytes += text_units(n) * UNIT;
    *number = w->n++;
    *t = (struct text){*number, (uint32_t)n};
    memcpy(t->bytes, bytes, n);
    w->items[*number] =
        (struct pretoken){.bytes = (const unsigned char *)t->bytes, .n = (uint32_t)n};
    put(x->slots, hash >> 32 << 32 | (place + 1));
    return 0;
}

/* Whether the words that occur more than `count` times are few enough. */
static bool are_few(const struct words *w, uint64_t count, size_t most, size_t text_bytes)
{
    size_t n = 0, bytes = 0;
    for (uint32_t i = 0; i < w->n; i++)
        if (w->items[i].count > count) {
            n++;
            bytes += text_units(w->items[i].n) * UNIT;
        }
    return n <= most && bytes <= text_bytes;
}

/* The smallest number of occurrences that are too few to stay. */
static uint64_t choose_count(const struct words *w, size_t most, size_t text_bytes)
{
    uint64_t low = 0, high = 0;
    for (uint32_t i = 0; i < w->n; i++)
        high = MAX(high, w->items[i].count);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (are_few(w, middle, most, text_bytes))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int words_keep(struct words *w, size_t most, size_t text_bytes, struct words *kept, struct err *e)
{
    uint64_t count = choose_count(w, most, text_bytes);
    if (words_init(kept, e))
        return -1;
    for (uint32_t i = 0; i < w->n; i++) {
        struct pretoken *word = &w->items[i];
        const char *bytes = (const char *)word->bytes;
        uint32_t number;
        if (word->count <= count)
            continue;
        if (words_add(kept, bytes, word->n, hash64(bytes, word->n), &number, e))
            return -1;
        kept->items[number].count = word->count;
        kept->items[number].count_head = word->count_head;
        word->count = word->count_head = 0;
    }
    return 0;
}

void words_release(struct words *w)
{
    struct words_index *x = w->index;
    for (struct slots *s = x ? x->slots : NULL, *before; s; s = before) {
        before = s->before;
        free(s);
    }
    for (uint32_t i = 0; x && i < x->n_blocks; i++)
        free(x->blocks[i]);
    free(x);
    free(w->items);
    free(w->texts);
    *w = (struct words){0};
}
