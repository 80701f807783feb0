#include "base/arena.h"

#include <stdlib.h>

enum { ARENA_ALIGN = 64 };

void arena_measure(struct arena *a)
{
    *a = (struct arena){0};
}

int arena_init(struct arena *a, const struct memory *memory, size_t size, struct err *e)
{
    *a = (struct arena){0};
    void *block = size < SIZE_MAX ? memory->take(size) : NULL;
    if (!block)
        return err_memory(e, "cannot allocate %zu MiB of memory", size >> 20);
    *a = (struct arena){.base = block, .size = size, .memory = memory};
    return 0;
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    size_t end;
    if (!size_mul(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN ||
        !size_add(a->used, ALIGN_UP(bytes, ARENA_ALIGN), &end)) {
        if (a->base)
            abort();
        a->used = SIZE_MAX;
        return NULL;
    }
    unsigned char *p = a->base ? a->base + a->used : NULL;
    a->used = end;
    if (a->base && end > a->size)
        abort();
    return p;
}

void arena_release(struct arena *a)
{
    if (a->base)
        a->memory->give(a->base, a->size);
    *a = (struct arena){0};
}
