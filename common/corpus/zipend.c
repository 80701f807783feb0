#include "corpus/zipend.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    MOST_COMMENT = 0xffff,
    WINDOW = END_BYTES + MOST_COMMENT,
    BLOCK = 1 << 16
};

static int read_at(int fd, uint64_t at, unsigned char *data, size_t n, const char *name,
                   struct err *e)
{
    for (size_t got = 0; got < n;) {
        ssize_t k = pread(fd, data + got, n - got, (off_t)(at + got));
        if (k < 0)
            return err_errno(e, "%s: cannot read", name);
        if (k == 0)
            return err_set(e, "%s: cannot read: it became shorter", name);
        got += (size_t)k;
    }
    return 0;
}

/* Bytes of the file without the zeros at its end. */
static int without_zeros(int fd, uint64_t size, const char *name, uint64_t *n, struct err *e)
{
    unsigned char block[BLOCK];
    for (*n = size; *n > 0;) {
        size_t have = (size_t)MIN(*n, (uint64_t)BLOCK);
        if (read_at(fd, *n - have, block, have, name, e))
            return -1;
        while (have > 0 && !block[have - 1]) {
            have--;
            --*n;
        }
        if (have)
            return 0;
    }
    return 0;
}

/* Takes over what the end record says, or the longer one that it has where the archive is large;
 * *at, the place of the directory's end, becomes the place of the latter. */
static int read_end(struct zipend *z, int fd, const unsigned char *end, uint64_t *at,
                    uint64_t *directory_end, const char *name, struct err *e)
{
    unsigned char locator[LOCATOR_BYTES], end64[END64_BYTES];
    uint64_t n_bytes = le_get32(end + 12), offset = le_get32(end + 16);
    z->n_entries = le_get16(end + 10);
    z->wraps = true;
    if (*at >= LOCATOR_BYTES + END64_BYTES) {
        if (read_at(fd, *at - LOCATOR_BYTES, locator, sizeof locator, name, e))
            return -1;
        uint64_t place = le_get64(locator + 8);
        if (!memcmp(locator, "PK\6\7", 4) && place <= *at - LOCATOR_BYTES - END64_BYTES) {
            if (read_at(fd, place, end64, sizeof end64, name, e))
                return -1;
            if (!memcmp(end64, "PK\6\6", 4)) {
                z->n_entries = le_get64(end64 + 32);
                z->wraps = false;
                n_bytes = le_get64(end64 + 40);
                offset = le_get64(end64 + 48);
                *at = place;
            }
        }
    }
    if (__builtin_add_overflow(n_bytes, offset, directory_end))
        *directory_end = UINT64_MAX;
    return 0;
}

int zipend_find(struct zipend *z, int fd, const char *name, struct err *e)
{
    struct stat st;
    uint64_t n, at = 0, directory_end = 0;
    if (fstat(fd, &st))
        return err_errno(e, "%s: cannot examine", name);
    uint64_t size = (uint64_t)st.st_size;
    if (without_zeros(fd, size, name, &n, e))
        return -1;
    uint64_t end_most = MIN(n + END_BYTES, size); /* the record itself may end with zeros */
    uint64_t begin = end_most > WINDOW + END_BYTES ? end_most - WINDOW - END_BYTES : 0;
    size_t have = (size_t)(end_most - begin);
    unsigned char *window = malloc(MAX(have, 1));
    if (!window)
        return err_memory(e, "%s: out of memory", name);
    int rc = read_at(fd, begin, window, have, name, e);
    size_t i = have >= END_BYTES ? have - END_BYTES + 1 : 0;
    while (!rc && i > 0 && memcmp(window + i - 1, "PK\5\6", 4) != 0)
        i--;
    if (!rc && i == 0)
        rc = err_set(e,
                     "%s: cannot read: the zip archive has no end record: it is truncated, or "
                     "something else follows it",
                     name);
    if (!rc) {
        const unsigned char *end = window + i - 1;
        at = begin + i - 1;
        z->n_bytes = at + END_BYTES + le_get16(end + 20);
        if (z->n_bytes > size)
            rc = err_set(e, "%s: cannot read: the zip archive is truncated", name);
        else if (z->n_bytes < n)
            rc = err_set(e,
                         "%s: something else follows the zip archive, at byte %" PRIu64
                         " (expected one archive a file)",
                         name, z->n_bytes);
        else
            rc = read_end(z, fd, end, &at, &directory_end, name, e);
    }
    if (!rc && directory_end != at)
        rc = directory_end < at
                 ? err_set(e,
                           "%s: the zip archive begins only at byte %" PRIu64 ", after "
                           "something else (expected one archive a file)",
                           name, at - directory_end)
                 : err_set(e,
                           "%s: cannot read: the zip archive is damaged: its directory ends "
                           "at byte %" PRIu64 ", expected %" PRIu64,
                           name, directory_end, at);
    free(window);
    return rc;
}
