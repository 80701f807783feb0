#include "prep/words.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 20 };

struct words_block {
    struct words_block *next;
    size_t used, size;
    unsigned char bytes[];
};

uint32_t words_find(const struct words *w, const char *bytes, size_t n, uint64_t hash)
{
    if (!w->n_slots)
        return WORDS_NONE;
    for (size_t i = hash & (w->n_slots - 1);; i = (i + 1) & (w->n_slots - 1)) {
        uint32_t number = w->slots[i];
        if (number == WORDS_NONE)
            return WORDS_NONE;
        const struct pretoken *item = &w->items[number];
        if (w->hashes[number] == hash && item->n == n && !memcmp(item->bytes, bytes, n))
            return number;
    }
}

static void place(uint32_t *slots, size_t n_slots, uint64_t hash, uint32_t number)
{
    size_t i = hash & (n_slots - 1);
    while (slots[i] != WORDS_NONE)
        i = (i + 1) & (n_slots - 1);
    slots[i] = number;
}

static int grow_slots(struct words *w, struct err *e)
{
    size_t n_slots = w->n_slots ? 2 * w->n_slots : 1 << 15;
    uint32_t *slots = malloc(n_slots * sizeof *slots);
    if (!slots)
        return err_memory(e, "out of memory for %u distinct words", w->n + 1);
    memset(slots, 0xff, n_slots * sizeof *slots); /* WORDS_NONE */
    for (uint32_t number = 0; number < w->n; number++)
        place(slots, n_slots, w->hashes[number], number);
    free(w->slots);
    w->slots = slots;
    w->n_slots = n_slots;
    return 0;
}

static int grow_items(struct words *w, struct err *e)
{
    if (w->n >= UINT32_MAX / 2)
        return err_set(e, "too many distinct words (more than %u)", w->n);
    uint32_t capacity = w->capacity ? 2 * w->capacity : 1 << 14;
    struct pretoken *items = realloc(w->items, capacity * sizeof *items);
    if (items)
        w->items = items;
    uint64_t *hashes = realloc(w->hashes, capacity * sizeof *hashes);
    if (hashes)
        w->hashes = hashes;
    if (!items || !hashes)
        return err_memory(e, "out of memory for %u distinct words", capacity);
    w->capacity = capacity;
    return 0;
}

static const unsigned char *keep_bytes(struct words *w, const char *bytes, size_t n)
{
    struct words_block *b = w->blocks;
    if (!b || b->size - b->used < n) {
        size_t size = MAX(n, (size_t)BLOCK_BYTES);
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        *b = (struct words_block){.next = w->blocks, .size = size};
        w->blocks = b;
    }
    unsigned char *kept = b->bytes + b->used;
    memcpy(kept, bytes, n);
    b->used += n;
    return kept;
}

int words_add(struct words *w, const char *bytes, size_t n, uint64_t hash, uint32_t *number,
              struct err *e)
{
    *number = words_find(w, bytes, n, hash);
    if (*number != WORDS_NONE)
        return 0;
    if (2 * ((size_t)w->n + 1) > w->n_slots && grow_slots(w, e))
        return -1;
    if (w->n == w->capacity && grow_items(w, e))
        return -1;
    const unsigned char *kept = n <= UINT32_MAX ? keep_bytes(w, bytes, n) : NULL;
    if (!kept)
        return err_memory(e, "out of memory for a word of %zu bytes", n);
    *number = w->n++;
    w->items[*number] = (struct pretoken){.bytes = kept, .n = (uint32_t)n};
    w->hashes[*number] = hash;
    place(w->slots, w->n_slots, hash, *number);
    return 0;
}

void words_release(struct words *w)
{
    for (struct words_block *b = w->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(w->items);
    free(w->hashes);
    free(w->slots);
    *w = (struct words){0};
}
