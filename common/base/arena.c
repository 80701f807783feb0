#include "base/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 64, HUGE_PAGE = 2 << 20 };

void arena_measure(struct arena *a)
{
    *a = (struct arena){0};
}

/* Whole huge pages, unless the last one would be mostly waste: an eighth of all or more. `size`
 * itself stays the limit, so that no slack hides a mistake. */
static size_t mapped_size(size_t size)
{
    size_t whole = ALIGN_UP(size, HUGE_PAGE);
    return whole - size < size / 8 ? whole : MAX(size, 1);
}

int arena_init(struct arena *a, size_t size, struct err *e)
{
    *a = (struct arena){0};
    if (size > PTRDIFF_MAX - HUGE_PAGE)
        return err_set(e, "cannot allocate %zu MiB of memory: too much", size >> 20);
    size_t mapped = mapped_size(size);
    void *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_errno(e, "cannot allocate %zu MiB of memory", size >> 20);
    if (mapped >= HUGE_PAGE)
        madvise(p, mapped, MADV_HUGEPAGE); /* a hint: refused on some kernels, and that is fine */
    a->base = p;
    a->size = size;
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
        munmap(a->base, mapped_size(a->size));
    *a = (struct arena){0};
}
