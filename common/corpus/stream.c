#include "corpus/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 17 };

/* The outer reader walks the file's members. A member of an archive may be compressed itself, so an
 * inner reader, fed by the outer one, undoes that; for any other file the outer reader has done it.
 */
struct stream {
    const char *path; /* as shown to people */
    int fd;           /* -1 when it is not ours to close */
    uint64_t size;
    struct archive *outer;
    struct archive *inner; /* NULL outside of a member of an archive */
    char name[512];
    char block[BLOCK]; /* what the outer reader last handed to the inner one */
    struct err fault;  /* of the outer reader, met inside the inner one */
    bool failed;
};

static int fail(const struct stream *s, struct archive *a, const char *name, struct err *e)
{
    if (s->failed) {
        *e = s->fault;
        return -1;
    }
    const char *text = archive_error_string(a);
    return err_set(e, "%s: cannot read: %s", name, text ? text : "damaged");
}

/* The four compressions; a library built without one says so when it meets it. */
static void support_compression(struct archive *a)
{
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
}

static int open_file(struct stream *s, const char *path, struct err *e)
{
    struct stat st;
    int fd = STDIN_FILENO;
    s->path = "standard input";
    if (strcmp(path, "-") != 0) {
        s->path = path;
        fd = s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return err_errno(e, "%s: cannot open", path);
    }
    if (fstat(fd, &st))
        return err_errno(e, "%s: cannot examine", s->path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, "%s: is a directory, expected a file", s->path);
    s->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    s->outer = archive_read_new();
    if (!s->outer)
        return err_set(e, "%s: out of memory", s->path);
    support_compression(s->outer);
    archive_read_support_format_tar(s->outer);
    archive_read_support_format_zip(s->outer);
    if (archive_read_open_fd(s->outer, fd, BLOCK) < ARCHIVE_WARN)
        return fail(s, s->outer, s->path, e);
    return 0;
}

struct stream *stream_open(const char *path, struct err *e)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, "%s: out of memory", path);
        return NULL;
    }
    s->fd = -1;
    if (open_file(s, path, e)) {
        stream_close(s);
        return NULL;
    }
    return s;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    archive_read_free(s->inner);
    archive_read_free(s->outer);
    if (s->fd >= 0)
        close(s->fd); /* only read: nothing can be lost */
    free(s);
}

static la_ssize_t feed_inner(struct archive *a, void *context, const void **data)
{
    struct stream *s = context;
    la_ssize_t n = archive_read_data(s->outer, s->block, BLOCK);
    if (n < 0) {
        fail(s, s->outer, s->name, &s->fault);
        s->failed = true;
        archive_set_error(a, EIO, "damaged");
        return -1;
    }
    *data = s->block;
    return n;
}

/* True at the start of a member's bytes; false for an empty one, which is passed over. */
static int open_inner(struct stream *s, bool *any, struct err *e)
{
    struct archive_entry *entry;
    archive_read_free(s->inner);
    s->inner = archive_read_new();
    if (!s->inner)
        return err_set(e, "%s: out of memory", s->name);
    support_compression(s->inner);
    if (archive_read_open(s->inner, s, NULL, feed_inner, NULL) < ARCHIVE_WARN)
        return fail(s, s->inner, s->name, e);
    int code = archive_read_next_header(s->inner, &entry);
    if (code < ARCHIVE_WARN)
        return fail(s, s->inner, s->name, e);
    *any = code != ARCHIVE_EOF;
    return 0;
}

int stream_next(struct stream *s, bool *more, struct err *e)
{
    struct archive_entry *entry;
    for (;;) {
        int code = archive_read_next_header(s->outer, &entry);
        if (code < ARCHIVE_WARN)
            return fail(s, s->outer, s->path, e);
        *more = code != ARCHIVE_EOF;
        if (!*more)
            return 0;
        if (archive_format(s->outer) == ARCHIVE_FORMAT_RAW) {
            snprintf(s->name, sizeof s->name, "%s", s->path);
            return 0;
        }
        if (archive_entry_filetype(entry) != AE_IFREG)
            continue;
        const char *member = archive_entry_pathname(entry);
        snprintf(s->name, sizeof s->name, "%s: %s", s->path, member ? member : "unnamed member");
        bool any = false;
        if (open_inner(s, &any, e))
            return -1;
        if (any)
            return 0;
    }
}

const char *stream_name(const struct stream *s)
{
    return s->name;
}

int stream_read(struct stream *s, char *data, size_t n, size_t *got, struct err *e)
{
    struct archive *a = s->inner ? s->inner : s->outer;
    la_ssize_t result = archive_read_data(a, data, n);
    if (result < 0)
        return fail(s, a, s->name, e);
    *got = (size_t)result;
    return 0;
}

void stream_position(const struct stream *s, uint64_t *read, uint64_t *total)
{
    la_int64_t n = archive_filter_bytes(s->outer, -1);
    *read = n > 0 ? (uint64_t)n : 0;
    *total = s->size;
}
