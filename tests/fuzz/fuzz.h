/* fuzz.h - what the fuzz targets share: an input as a file with a path, and memory that runs out.
 *
 * A target defines fuzz_one. harness/starve.c calls it for every input, and for some of them once
 * more, with one of the allocations failing that our code makes; which, the input decides. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One input. Whatever must hold is asserted with FUZZ_CHECK. */
void fuzz_one(const uint8_t *data, size_t n);

/* True in the run in which an allocation fails: anything may then fail that can. */
bool fuzz_starved(void);

/* Memory for the target itself, which never runs out; freed with free. */
void *fuzz_alloc(size_t n);

/* Aborts if something is not as it must be. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

/* Aborts if something failed that can only fail for want of memory, and there is enough. */
#define FUZZ_CAN_STARVE(condition) ((condition) || fuzz_starved() ? (void)0 : abort())

struct fuzz_file {
    int fd;
    char path[32];
};

/* A file in memory that holds the bytes; closed by fuzz_close. */
static inline struct fuzz_file fuzz_open(const uint8_t *data, size_t n)
{
    struct fuzz_file f = {.fd = memfd_create("fuzz", 0)};

    if (f.fd < 0 || write(f.fd, data, n) != (ssize_t)n)
        abort();
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void fuzz_close(struct fuzz_file *f)
{
    close(f->fd);
}

#endif
