#include "os/pages.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

/* Whole huge pages, unless the last one would be mostly waste: an eighth of all or more. */
static size_t mapped_size(size_t size)
{
    size_t whole = ALIGN_UP(size, HUGE_PAGE);
    return whole - size < size / 8 ? whole : MAX(size, 1);
}

static void *take(size_t n)
{
    if (n > PTRDIFF_MAX - HUGE_PAGE)
        return NULL;
    size_t mapped = mapped_size(n);
    void *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (mapped >= HUGE_PAGE)
        madvise(p, mapped, MADV_HUGEPAGE); /* a hint: refused on some kernels, and that is fine */
#endif
    return p;
}

static void give(void *block, size_t n)
{
    munmap(block, mapped_size(n));
}

const struct memory pages_memory = {take, give};
