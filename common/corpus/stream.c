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

#include "corpus/gunzip.h"

enum { BLOCK = 1 << 17 };

/* The outer reader walks the file's members. A member of an archive may be compressed itself, so an
 * inner reader, fed by the outer one, undoes that; for any other file the outer reader has done it.
 * Each is fed through a gunzip, but for a regular file that is no gzip: there libarchive reads by
 * itself, since it wants to seek in a zip. */
struct stream {
    const char *path; /* as shown to people */
    int fd;
    bool close_fd;
    uint64_t size;
    uint64_t n_read;             /* bytes of the file that came through outer_gunzip */
    struct gunzip *outer_gunzip; /* NULL when libarchive reads by itself */
    struct gunzip *inner_gunzip;
    struct archive *outer;
    struct archive *inner; /* NULL outside of a member of an archive */
    char name[512];
    char outer_block[BLOCK]; /* what was last read from the file */
    char inner_block[BLOCK]; /* what the outer reader last handed to the inner one */
    struct err fault;        /* met inside a callback */
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

/* Hands a block of a gunzip to libarchive. What goes wrong here is kept: libarchive would forget
 * it. */
static la_ssize_t pass_on(struct stream *s, struct gunzip *g, const char *name, const void **data)
{
    long n = gunzip_read(g, data);
    if (n < 0 && !s->failed) {
        err_set(&s->fault, "%s: cannot read: %s", name, gunzip_fault(g));
        s->failed = true;
    }
    return n;
}

static long read_block(void *context, const void **data)
{
    struct stream *s = context;
    ssize_t n;
    do
        n = read(s->fd, s->outer_block, BLOCK);
    while (n < 0 && errno == EINTR);
    *data = s->outer_block;
    s->n_read += n > 0 ? (uint64_t)n : 0;
    if (n < 0) {
        err_errno(&s->fault, "%s: cannot read", s->path);
        s->failed = true;
    }
    return n;
}

static la_ssize_t feed_outer(struct archive *a, void *context, const void **data)
{
    struct stream *s = context;
    (void)a;
    return pass_on(s, s->outer_gunzip, s->path, data);
}

static int open_outer(struct stream *s, bool regular, struct err *e)
{
    unsigned char head[8];
    int code;
    s->outer = archive_read_new();
    if (!s->outer)
        return err_memory(e, "%s: out of memory", s->path);
    support_compression(s->outer);
    archive_read_support_format_tar(s->outer);
    archive_read_support_format_zip(s->outer);
    ssize_t n = regular ? pread(s->fd, head, sizeof head, lseek(s->fd, 0, SEEK_CUR)) : 0;
    if (regular && !gunzip_probe(head, n > 0 ? (size_t)n : 0)) {
        code = archive_read_open_fd(s->outer, s->fd, BLOCK);
    } else {
        s->outer_gunzip = gunzip_new(read_block, s);
        if (!s->outer_gunzip)
            return err_memory(e, "%s: out of memory", s->path);
        code = archive_read_open(s->outer, s, NULL, feed_outer, NULL);
    }
    return code < ARCHIVE_WARN ? fail(s, s->outer, s->path, e) : 0;
}

static int open_file(struct stream *s, const char *path, struct err *e)
{
    struct stat st;
    s->path = "standard input";
    s->fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        s->path = path;
        s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (s->fd < 0)
            return err_errno(e, "%s: cannot open", path);
        s->close_fd = true;
    }
    if (fstat(s->fd, &st))
        return err_errno(e, "%s: cannot examine", s->path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, "%s: is a directory, expected a file", s->path);
    s->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return open_outer(s, S_ISREG(st.st_mode), e);
}

struct stream *stream_open(const char *path, struct err *e)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        err_memory(e, "%s: out of memory", path);
        return NULL;
    }
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
    gunzip_free(s->inner_gunzip);
    gunzip_free(s->outer_gunzip);
    if (s->close_fd)
        close(s->fd); /* only read: nothing can be lost */
    free(s);
}

static long read_outer(void *context, const void **data)
{
    struct stream *s = context;
    la_ssize_t n = archive_read_data(s->outer, s->inner_block, BLOCK);
    *data = s->inner_block;
    if (n >= 0)
        return n;
    fail(s, s->outer, s->name, &s->fault);
    s->failed = true;
    return -1;
}

static la_ssize_t feed_inner(struct archive *a, void *context, const void **data)
{
    struct stream *s = context;
    (void)a;
    return pass_on(s, s->inner_gunzip, s->name, data);
}

/* True at the start of a member's bytes; false for an empty one, which is passed over. */
static int open_inner(struct stream *s, bool *any, struct err *e)
{
    struct archive_entry *entry;
    archive_read_free(s->inner);
    s->inner = archive_read_new();
    if (!s->inner_gunzip)
        s->inner_gunzip = gunzip_new(read_outer, s);
    if (!s->inner || !s->inner_gunzip)
        return err_memory(e, "%s: out of memory", s->name);
    gunzip_restart(s->inner_gunzip);
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
    la_int64_t n = s->outer_gunzip ? (la_int64_t)s->n_read : archive_filter_bytes(s->outer, -1);
    *read = n > 0 ? (uint64_t)n : 0;
    *total = s->size;
}
