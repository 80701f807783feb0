/* arena.h - one block for all the memory of a run.
 *
 * A program lays out its memory twice with the same code: first over an arena in measuring mode,
 * which hands out NULL and only counts, then over a block of exactly that size. After that a
 * training step or a decode step allocates nothing. Memory is zeroed and 64-byte aligned; it is
 * released all at once, with the arena. */
#ifndef ARENA_H
#define ARENA_H

#include "base/err.h"
#include "base/memory.h"

struct arena {
    unsigned char *base;         /* NULL in measuring mode */
    size_t size;                 /* bytes asked for in arena_init */
    const struct memory *memory; /* where the block comes from */
    size_t used; /* bytes handed out (or counted) so far; SIZE_MAX if they cannot be counted */
};

/* Starts a measuring arena: arena_alloc returns NULL and counts. */
void arena_measure(struct arena *a);

/* Takes a block of `size` bytes from the memory. What a measuring arena could not count is refused
 * like any size that is too large. */
MUST_USE int arena_init(struct arena *a, const struct memory *memory, size_t size, struct err *e);

/* `count` elements of `size` bytes, zeroed, 64-byte aligned. NULL while measuring. Asking for more
 * than was measured is a bug and aborts. */
void *arena_alloc(struct arena *a, size_t count, size_t size);

/* Releases the block; safe on a measuring or zeroed arena. */
void arena_release(struct arena *a);

#endif
