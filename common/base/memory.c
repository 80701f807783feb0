#include "base/memory.h"

#include <stdlib.h>

enum { MEMORY_ALIGN = 64 };

/* calloc knows which pages are zero already; the pointer it returned stands before the block. */
static void *take(size_t n)
{
    size_t whole;
    if (!size_add(n, MEMORY_ALIGN + sizeof(void *), &whole))
        return NULL;
    unsigned char *p = calloc(1, whole);
    if (!p)
        return NULL;
    size_t gap = MEMORY_ALIGN - ((uintptr_t)p + sizeof(void *)) % MEMORY_ALIGN;
    void **block = (void **)(void *)(p + sizeof(void *) + gap);
    block[-1] = p;
    return block;
}

static void give(void *block, size_t n)
{
    (void)n;
    free(((void **)block)[-1]);
}

const struct memory memory_heap = {take, give};
