/* memory.h - where large blocks of memory come from. os/pages.h has another source. */
#ifndef MEMORY_H
#define MEMORY_H

#include "base/base.h"

struct memory {
    /* n bytes, zeroed, 64-byte aligned; NULL if there are none. */
    void *(*take)(size_t n);
    /* Gives back what take(n) returned. */
    void (*give)(void *block, size_t n);
};

/* The heap of C. */
extern const struct memory memory_heap;

#endif
