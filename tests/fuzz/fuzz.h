/* fuzz.h - what the fuzz targets share: an input as a file with a path. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
