/* wordcache.h - the words that a thread has seen most recently, in front of the table of all words
 * (words.h): a lookup reads one cache line and compares only numbers. */
#ifndef WORDCACHE_H
#define WORDCACHE_H

#include <string.h>

#include "base/ascii.h"

enum { WORDCACHE_BYTES = 16, WORDCACHE_SLOTS = 1 << 13 };

struct wordcache_key {
    uint64_t half[2]; /* the bytes of a word, then zeros */
};

struct wordcache_slot {
    struct wordcache_key key;
    uint32_t n; /* bytes of the word, 0: free */
    uint32_t number;
};

struct wordcache { /* zero-initialise */
    struct wordcache_slot slots[WORDCACHE_SLOTS];
};

/* The key of word[0..n), 0 < n <= WORDCACHE_BYTES; `room` bytes may be read there, at least n. */
static inline struct wordcache_key wordcache_key(const char *word, size_t n, size_t room)
{
    static const unsigned char ones[2 * WORDCACHE_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                            255, 255, 255, 255, 255, 255, 255, 255};
    struct wordcache_key key = {{0}};
    if (room < WORDCACHE_BYTES) {
        memcpy(key.half, word, n);
        return key;
    }
    ascii_bytes masked = ascii_load(word) & ascii_load((const char *)ones + WORDCACHE_BYTES - n);
    memcpy(key.half, &masked, sizeof key.half);
    return key;
}

/* Where a word stands if it is there. */
static inline struct wordcache_slot *wordcache_slot(struct wordcache *c, struct wordcache_key key)
{
    uint64_t h = key.half[0] ^ (key.half[1] << 23 | key.half[1] >> 41);
    return &c->slots[(h * UINT64_C(0x9e3779b97f4a7c15) >> 40) % WORDCACHE_SLOTS];
}

static inline bool wordcache_is(const struct wordcache_slot *s, struct wordcache_key key, size_t n)
{
    return s->n == n && s->key.half[0] == key.half[0] && s->key.half[1] == key.half[1];
}

#endif
