#include "corpus/packed.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpus/gunzip.h"
#include "corpus/unzstd.h"
#include "corpus/zipend.h"

enum { TAR_BLOCK = 512, TAIL = 64 };

struct packed {
    struct source source; /* the current member's bytes */
    struct source *from;  /* of a tar archive or a stream */
    const char *name;
    char shown[512]; /* "name: member", or the name */
    struct archive *archive;
    enum packed_kind kind;
    int64_t n_member; /* bytes of the member that were handed on */
    bool ended;       /* nothing is left of it */
    /* what libarchive was given */
    uint64_t n_given;
    const char *block; /* the last of it */
    size_t n_block;
    char tail[TAIL];  /* the last bytes before that */
    uint64_t n_zeros; /* at its end */
    /* zip */
    int fd;
    struct zipend zip;
    uint64_t zip_at;
    uint64_t n_entries;
    char zip_block[1 << 16];
    struct err fault; /* met inside a callback */
    bool failed;
};

static bool is_tar(const char *data, size_t n)
{
    enum { SUM = 148, SUM_BYTES = 8, MAGIC = 257 };
    if (n < TAR_BLOCK)
        return false;
    long sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + SUM_BYTES ? ' ' : (unsigned char)data[i];
    char digits[SUM_BYTES + 1] = {0};
    memcpy(digits, data + SUM, SUM_BYTES);
    char *end;
    bool same = strtol(digits, &end, 8) == sum && end != digits;
    return same || !memcmp(data + MAGIC, "ustar", 5);
}

static bool begins(const char *data, size_t n, const char *magic, size_t n_magic)
{
    return n >= n_magic && !memcmp(data, magic, n_magic);
}

/* libarchive's name of the compression that begins so, or ARCHIVE_FILTER_NONE. */
static int filter_of(const char *data, size_t n)
{
    if (begins(data, n,
               "\xfd"
               "7zXZ\0",
               6))
        return ARCHIVE_FILTER_XZ;
    if (n >= 10 && begins(data, n, "BZh", 3) &&
        (!memcmp(data + 4, "1AY&SY", 6) || !memcmp(data + 4, "\x17rE8P\x90", 6)))
        return ARCHIVE_FILTER_BZIP2;
    return ARCHIVE_FILTER_NONE;
}

enum packed_kind packed_probe(const char *data, size_t n)
{
    if (gunzip_probe(data, n))
        return PACKED_GZIP;
    if (unzstd_probe(data, n))
        return PACKED_ZSTD;
    if (filter_of(data, n) != ARCHIVE_FILTER_NONE)
        return PACKED_STREAM;
    if (begins(data, n, "PK\3\4", 4) || begins(data, n, "PK\5\6", 4))
        return PACKED_ZIP;
    return is_tar(data, n) ? PACKED_TAR : PACKED_NOT;
}

static int fail(struct packed *p, const char *name, struct err *e)
{
    if (p->failed) {
        *e = p->fault;
        return -1;
    }
    const char *text = archive_error_string(p->archive);
    int64_t at = archive_filter_bytes(p->archive, p->kind == PACKED_STREAM ? -1 : 0);
    if (at < 0)
        at = (int64_t)p->n_given;
    return err_set(e, "%s: cannot read: %s (at byte %" PRId64 ")", name, text ? text : "damaged",
                   at);
}

/* ---- what libarchive is given ---------------------------------------------------------------- */

/* The last bytes of the current block: the next call may overwrite it. */
static void keep_tail(struct packed *p)
{
    size_t n = MIN(p->n_block, (size_t)TAIL);
    memmove(p->tail, p->tail + n, TAIL - n);
    if (n)
        memcpy(p->tail + TAIL - n, p->block + p->n_block - n, n);
    p->n_block = 0;
}

static void count_zeros(struct packed *p)
{
    size_t i = p->n_block;
    while (i > 0 && !p->block[i - 1])
        i--;
    p->n_zeros = i ? p->n_block - i : p->n_zeros + p->n_block;
}

/* What goes wrong here is kept: libarchive would forget it. */
static la_ssize_t give(struct archive *a, void *context, const void **data)
{
    struct packed *p = context;
    (void)a;
    keep_tail(p);
    if (source_next(p->from, &p->block, &p->n_block, &p->fault)) {
        p->failed = true;
        return -1;
    }
    count_zeros(p);
    p->n_given += p->n_block;
    *data = p->block;
    return (la_ssize_t)p->n_block;
}

static la_ssize_t give_zip(struct archive *a, void *context, const void **data)
{
    struct packed *p = context;
    (void)a;
    size_t most = (size_t)MIN((uint64_t)sizeof p->zip_block, p->zip.n_bytes - p->zip_at);
    ssize_t n = pread(p->fd, p->zip_block, most, (off_t)p->zip_at);
    if (n < 0) {
        err_errno(&p->fault, "%s: cannot read", p->name);
        p->failed = true;
        return -1;
    }
    p->zip_at += (uint64_t)n;
    *data = p->zip_block;
    return n;
}

static la_int64_t seek_zip(struct archive *a, void *context, la_int64_t offset, int whence)
{
    struct packed *p = context;
    (void)a;
    int64_t from = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)p->zip_at
                                        : (int64_t)p->zip.n_bytes;
    int64_t at = from + offset;
    if (at < 0 || (uint64_t)at > p->zip.n_bytes)
        return ARCHIVE_FATAL;
    p->zip_at = (uint64_t)at;
    return at;
}

static la_int64_t skip_zip(struct archive *a, void *context, la_int64_t n)
{
    struct packed *p = context;
    (void)a;
    int64_t left = (int64_t)(p->zip.n_bytes - p->zip_at), step = MAX(MIN(n, left), 0);
    p->zip_at += (uint64_t)step;
    return step;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static bool all_zero(const char *data, size_t n)
{
    while (n > 0 && !data[n - 1])
        n--;
    return n == 0;
}

/* A decoder stops at anything that is not one of its streams: only zeros may follow. */
static int end_stream(struct packed *p, struct err *e)
{
    uint64_t end = (uint64_t)archive_filter_bytes(p->archive, -1), left = p->n_given - end;
    size_t in_block = (size_t)MIN(left, (uint64_t)p->n_block);
    uint64_t in_tail = left - in_block;
    bool zero = in_tail <= TAIL && all_zero(p->tail + TAIL - in_tail, (size_t)in_tail) &&
                (!in_block || all_zero(p->block + p->n_block - in_block, in_block));
    for (size_t n = 1; zero && n;) {
        const char *data;
        if (source_next(p->from, &data, &n, e))
            return -1;
        zero = all_zero(data, n);
    }
    return zero ? 0
                : err_set(e,
                          "%s: cannot read: damaged: something else follows at byte %" PRIu64
                          " of the compressed data",
                          p->name, end);
}

static int next_block(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct packed *p = (struct packed *)source;
    const void *block;
    la_int64_t at;
    *n = 0;
    while (!p->ended && !*n) {
        int code = archive_read_data_block(p->archive, &block, n, &at);
        p->ended = code == ARCHIVE_EOF;
        if (p->ended) {
            *n = 0;
            return p->kind == PACKED_STREAM ? end_stream(p, e) : 0;
        }
        if (code != ARCHIVE_OK)
            return fail(p, p->shown, e);
        if (*n && at != p->n_member)
            return err_set(e, "%s: is damaged: a hole from byte %" PRId64, p->shown, p->n_member);
        p->n_member += (int64_t)*n;
        *data = block;
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct packed *new_packed(struct source *from, const char *name, enum packed_kind kind,
                                 struct err *e)
{
    struct packed *p = calloc(1, sizeof *p);
    if (p)
        *p = (struct packed){.source = {next_block},
                             .from = from,
                             .name = name,
                             .archive = archive_read_new(),
                             .kind = kind,
                             .fd = -1};
    if (p && p->archive) {
        snprintf(p->shown, sizeof p->shown, "%s", name);
        return p;
    }
    free(p);
    err_memory(e, "%s: out of memory", name);
    return NULL;
}

static struct packed *opened(struct packed *p, int code, struct err *e)
{
    if (code >= ARCHIVE_WARN)
        return p;
    fail(p, p->name, e);
    packed_close(p);
    return NULL;
}

struct packed *packed_stream(struct head *from, const char *name, struct err *e)
{
    struct packed *p = new_packed(&from->source, name, PACKED_STREAM, e);
    if (!p)
        return NULL;
    struct archive_entry *entry;
    int filter = filter_of(from->data, from->n); /* a library built without it says so */
    if (filter == ARCHIVE_FILTER_BZIP2)
        archive_read_support_filter_bzip2(p->archive);
    else
        archive_read_support_filter_xz(p->archive);
    archive_read_support_format_raw(p->archive);
    archive_read_support_format_empty(p->archive);
    int code = archive_read_open(p->archive, p, NULL, give, NULL);
    if (code >= ARCHIVE_WARN)
        code = archive_read_next_header(p->archive, &entry);
    p->ended = code == ARCHIVE_EOF;
    if (opened(p, p->ended ? ARCHIVE_OK : code, e) == NULL)
        return NULL;
    int n_filters = archive_filter_count(p->archive) - 1; /* without that which reads */
    if (n_filters == 1 && (!p->ended || !end_stream(p, e)))
        return p;
    if (n_filters < 1)
        err_set(e, "%s: cannot read: truncated compressed data", name);
    if (n_filters > 1) /* what follows the inner one would go unseen */
        err_set(e, "%s: is compressed twice in the same way: undo that once first", name);
    packed_close(p);
    return NULL;
}

struct packed *packed_tar(struct source *from, const char *name, struct err *e)
{
    struct packed *p = new_packed(from, name, PACKED_TAR, e);
    if (!p)
        return NULL;
    archive_read_support_format_tar(p->archive);
    archive_read_set_options(p->archive, "tar:read_concatenated_archives");
    return opened(p, archive_read_open(p->archive, p, NULL, give, NULL), e);
}

struct packed *packed_zip(int fd, const char *name, struct err *e)
{
    struct packed *p = new_packed(NULL, name, PACKED_ZIP, e);
    if (!p)
        return NULL;
    p->fd = fd;
    if (zipend_find(&p->zip, fd, name, e)) {
        packed_close(p);
        return NULL;
    }
    archive_read_support_format_zip_seekable(p->archive);
    archive_read_set_callback_data(p->archive, p);
    archive_read_set_read_callback(p->archive, give_zip);
    archive_read_set_seek_callback(p->archive, seek_zip);
    archive_read_set_skip_callback(p->archive, skip_zip);
    return opened(p, archive_read_open1(p->archive), e);
}

void packed_close(struct packed *p)
{
    if (!p)
        return;
    archive_read_free(p->archive);
    free(p);
}

/* ---- members --------------------------------------------------------------------------------- */

/* A directory that stops being one early would hide the rest. */
static int end_archive(const struct packed *p, struct err *e)
{
    uint64_t expected = p->zip.n_entries, found = p->n_entries;
    if (p->kind != PACKED_ZIP || found == expected ||
        (p->zip.wraps && (found & 0xffff) == expected))
        return 0;
    return err_set(e,
                   "%s: cannot read: the zip archive's directory is damaged (found %" PRIu64
                   " entries, expected %" PRIu64 ")",
                   p->name, found, expected);
}

int packed_next(struct packed *p, const char **member, struct err *e)
{
    struct archive_entry *entry;
    for (;;) {
        int code = archive_read_next_header(p->archive, &entry);
        *member = NULL;
        if (code == ARCHIVE_EOF)
            return end_archive(p, e);
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return fail(p, p->name, e);
        p->n_entries++;
        p->n_member = 0;
        p->ended = false;
        if (archive_entry_filetype(entry) != AE_IFREG)
            continue;
        const char *name = archive_entry_pathname(entry);
        if (!name)
            name = archive_entry_pathname_utf8(entry);
        *member = name ? name : "unnamed member";
        snprintf(p->shown, sizeof p->shown, "%s: %s", p->name, *member);
        return 0;
    }
}

const char *packed_name(const struct packed *p)
{
    return p->shown;
}

struct source *packed_source(struct packed *p)
{
    return &p->source;
}

bool packed_is_cut(const struct packed *p)
{
    return p->kind == PACKED_TAR && p->n_zeros < TAR_BLOCK;
}
