/* For tests/web/kern.c: pages out of the heap, which nothing guards. */
#ifndef WEB_MMAN_H
#define WEB_MMAN_H

#include <stdint.h>
#include <stdlib.h>

enum { PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE = 0, MAP_ANONYMOUS = 0, MAP_NORESERVE = 0 };
#define MAP_FAILED ((void *)-1)

static inline void *mmap(void *at, size_t size, int protection, int flags, int file, long from)
{
    void *block = malloc(size + 65536); /* aligned to a page of WebAssembly */
    (void)at, (void)protection, (void)flags, (void)file, (void)from;
    return block ? (void *)(((uintptr_t)block + 65535) & ~(uintptr_t)65535) : MAP_FAILED;
}

static inline int mprotect(void *at, size_t size, int protection)
{
    (void)at, (void)size, (void)protection;
    return 0;
}

#endif
