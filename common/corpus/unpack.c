#include "corpus/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpus/ahead.h"
#include "corpus/gunzip.h"
#include "corpus/packed.h"
#include "corpus/unzstd.h"
#include "os/file.h"

enum { BLOCK = 1 << 17, MOST_ARCHIVES = 2, MOST_STREAMS = 4 };

/* The file itself, and what has come out of it. */
struct file {
    struct source source;
    const char *name; /* for people */
    int fd;
    bool regular, close_fd;
    uint64_t size; /* 0 if unknown */
    _Atomic uint64_t n_read;
    bool ahead; /* another thread reads it */
    const struct unpack_hooks *hooks;
    struct unpack_result *result;
    uint64_t n_unpacked, max_bytes;
    char block[BLOCK];
};

/* Bytes that come out of a packing, counted. */
struct meter {
    struct source source;
    struct source *from;
    struct file *file;
    const char *name;
};

/* Where in the packing the walk stands. */
struct place {
    const char *name;
    int n_archives, n_streams; /* around it */
};

static int walk(struct file *f, struct source *in, struct place place, struct err *e);

/* ---- the file -------------------------------------------------------------------------------- */

static void tell_progress(const struct file *f)
{
    if (f->hooks->progress)
        f->hooks->progress(f->hooks->progress_context, f->n_read, f->size);
}

static int next_of_file(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct file *f = (struct file *)source;
    ssize_t got;
    do
        got = read(f->fd, f->block, BLOCK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(e, "%s: cannot read", f->name);
    *data = f->block;
    *n = (size_t)got;
    f->n_read += *n;
    if (!f->ahead)
        tell_progress(f);
    return 0;
}

static int open_file(struct file *f, const char *path, struct err *e)
{
    struct stat st;
    f->name = "standard input";
    f->fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        f->name = path;
        f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (f->fd < 0)
            return err_errno(e, "%s: cannot open", path);
        f->close_fd = true;
    }
    if (fstat(f->fd, &st))
        return err_errno(e, "%s: cannot examine", f->name);
    if (S_ISDIR(st.st_mode))
        return err_set(e, "%s: is a directory, expected a file", f->name);
    f->regular = S_ISREG(st.st_mode) && lseek(f->fd, 0, SEEK_CUR) == 0;
    f->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static int next_of_meter(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct meter *m = (struct meter *)source;
    if (source_next(m->from, data, n, e))
        return -1;
    m->file->n_unpacked += *n;
    if (m->file->ahead)
        tell_progress(m->file);
    if (m->file->n_unpacked <= m->file->max_bytes)
        return 0;
    return err_set(e, "%s: unpacks to more than %" PRIu64 " bytes (--max-bytes N allows more)",
                   m->name, m->file->max_bytes);
}

struct walk {
    struct file *file;
    struct place place;
};

static int walk_metered(void *context, struct source *out, struct err *e)
{
    const struct walk *w = context;
    struct meter m = {{next_of_meter}, out, w->file, w->place.name};
    return walk(w->file, &m.source, w->place, e);
}

/* Walks what comes out of a compression. That of the file itself is undone by another thread, but
 * not where reading may have to wait for somebody. */
static int walk_out(struct file *f, struct source *out, struct place place, struct err *e)
{
    struct walk w = {f, place};
    if (!f->hooks->ahead || !f->regular || place.n_archives || place.n_streams > 1)
        return walk_metered(&w, out, e);
    f->ahead = true;
    int rc = ahead_run(out, walk_metered, &w, e);
    f->ahead = false;
    return rc;
}

static int walk_gzip(struct file *f, struct source *in, struct place place, struct err *e)
{
    struct source *gunzip = gunzip_open(in, place.name, e);
    place.n_streams++;
    int rc = gunzip ? walk_out(f, gunzip, place, e) : -1;
    gunzip_close(gunzip);
    return rc;
}

static int walk_zstd(struct file *f, struct source *in, struct place place, struct err *e)
{
    struct source *unzstd = unzstd_open(in, place.name, e);
    place.n_streams++;
    int rc = unzstd ? walk_out(f, unzstd, place, e) : -1;
    unzstd_close(unzstd);
    return rc;
}

static int walk_stream(struct file *f, struct head *in, struct place place, struct err *e)
{
    struct packed *p = packed_stream(in, place.name, e);
    place.n_streams++;
    int rc = p ? walk_out(f, packed_source(p), place, e) : -1;
    packed_close(p);
    return rc;
}

/* Known by name, where what is in it cannot be text. */
static bool is_litter(const char *path)
{
    static const char *const names[] = {".DS_Store", "Thumbs.db", "desktop.ini"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!strncmp(path, "__MACOSX/", 9) || strstr(path, "/__MACOSX/"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* What macOS stores of a file where the archive cannot: "._name", in AppleDouble. */
static bool is_apple_double(const char *path, const struct head *h)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return !strncmp(name, "._", 2) && h->n >= 4 && !memcmp(h->data, "\0\5\26\7", 4);
}

static int walk_member(struct file *f, struct packed *archive, const char *member,
                       struct place place, struct err *e)
{
    const char *name = packed_name(archive);
    struct head head;
    struct meter m = {{next_of_meter}, packed_source(archive), f, name};
    head_init(&head, &m.source);
    int rc = head_look(&head, PACKED_HEAD, e);
    bool passed_over = !rc && (is_litter(member) || is_apple_double(member, &head));
    f->result->n_passed_over += passed_over;
    if (!rc && !passed_over)
        rc = walk(f, &head.source, (struct place){name, place.n_archives + 1, 0}, e);
    head_release(&head);
    return rc;
}

static int walk_archive(struct file *f, struct packed *archive, struct place place, struct err *e)
{
    const char *member;
    int rc = archive ? 0 : -1;
    while (!rc) {
        rc = packed_next(archive, &member, e);
        if (rc || !member)
            break;
        rc = walk_member(f, archive, member, place, e);
    }
    if (!rc)
        f->result->n_cut += packed_is_cut(archive);
    packed_close(archive);
    return rc;
}

/* A zip archive that comes from a pipe or out of a packing is put into a file without a name. */
static int walk_zip(struct file *f, struct source *in, struct place place, struct err *e)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/tmp";
    FILE *copy = file_unnamed_stream(folder);
    if (!copy)
        return err_errno(e, "%s: cannot make a temporary file in %s", place.name, folder);
    int rc = 0;
    for (size_t n = 1; !rc && n;) {
        const char *data;
        rc = source_next(in, &data, &n, e);
        if (!rc && n && fwrite(data, 1, n, copy) != n)
            rc = err_errno(e, "%s: cannot write a temporary file in %s", place.name, folder);
    }
    if (!rc && fflush(copy))
        rc = err_errno(e, "%s: cannot write a temporary file in %s", place.name, folder);
    if (!rc)
        rc = walk_archive(f, packed_zip(fileno(copy), place.name, e), place, e);
    fclose(copy); /* all of it was read: nothing can be lost */
    return rc;
}

static bool is_file_itself(const struct file *f, const struct place *place)
{
    return f->regular && !place->n_archives && !place->n_streams;
}

/* By its first bytes: unpacked, walked, or visited as a member. */
static int walk_head(struct file *f, struct head *head, struct place place, struct err *e)
{
    if (head_look(head, PACKED_HEAD, e))
        return -1;
    enum packed_kind kind = packed_probe(head->data, head->n);
    if (kind == PACKED_NOT) /* an empty member has nothing to say */
        return head->n ? f->hooks->visit(f->hooks->context, place.name, head, e) : 0;
    bool archive = kind == PACKED_TAR || kind == PACKED_ZIP;
    if (archive && place.n_archives == MOST_ARCHIVES)
        return err_set(e, "%s: is an archive within archives, more than %d deep: unpack it first",
                       place.name, MOST_ARCHIVES);
    if (!archive && place.n_streams == MOST_STREAMS)
        return err_set(e, "%s: is compressed more than %d times: unpack it first", place.name,
                       MOST_STREAMS);
    switch (kind) {
    case PACKED_GZIP:
        return walk_gzip(f, &head->source, place, e);
    case PACKED_ZSTD:
        return walk_zstd(f, &head->source, place, e);
    case PACKED_STREAM:
        return walk_stream(f, head, place, e);
    case PACKED_TAR:
        return walk_archive(f, packed_tar(&head->source, place.name, e), place, e);
    default:
        break;
    }
    if (is_file_itself(f, &place))
        return walk_archive(f, packed_zip(f->fd, place.name, e), place, e);
    return walk_zip(f, &head->source, place, e);
}

static int walk(struct file *f, struct source *in, struct place place, struct err *e)
{
    struct head head;
    head_init(&head, in);
    int rc = walk_head(f, &head, place, e);
    head_release(&head);
    return rc;
}

int unpack_file(const char *path, uint64_t max_bytes, const struct unpack_hooks *hooks,
                struct unpack_result *result, struct err *e)
{
    struct file *f = malloc(sizeof *f);
    if (!f)
        return err_memory(e, "%s: out of memory", path);
    *result = (struct unpack_result){0};
    f->source.next = next_of_file;
    f->close_fd = false;
    f->n_read = f->n_unpacked = 0;
    f->ahead = false;
    f->hooks = hooks;
    f->result = result;
    f->max_bytes = max_bytes;
    int rc = open_file(f, path, e);
    if (!rc)
        rc = walk(f, &f->source, (struct place){f->name, 0, 0}, e);
    if (f->close_fd)
        close(f->fd); /* only read: nothing can be lost */
    free(f);
    return rc;
}
