#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 18,
    MAX_OUTPUTS = 32, /* temporaries open at once */
    MAX_MAPS = 32,    /* maps whose paths are kept */
    NAME_KEPT = 200,  /* bytes of the name of a file kept in the name of its temporary */
    TEMP_TRIES = 100
};

/* Names of temporaries, in static memory so that a signal handler can read them at any moment: a
 * slot is claimed, filled, then live, and never freed memory. */
enum { SLOT_FREE, SLOT_CLAIMED, SLOT_LIVE };
static struct {
    atomic_int state;
    char name[PATH_MAX];
} slots[MAX_OUTPUTS];

/* ---------------------------------------------------------------------------------- reading */

/* Paths of the maps, in static memory for the same reason. An entry counts once its data is set. */
static struct {
    atomic_int state;
    _Atomic(const unsigned char *) data;
    size_t size;
    char name[PATH_MAX];
} maps[MAX_MAPS];

static void map_remember(const struct file_map *m, const char *path)
{
    for (size_t i = 0; i < MAX_MAPS; i++) {
        int expected = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&maps[i].state, &expected, SLOT_CLAIMED))
            continue;
        snprintf(maps[i].name, sizeof maps[i].name, "%s", path);
        maps[i].size = m->size;
        atomic_store(&maps[i].data, m->data);
        return;
    }
}

static void map_forget(const struct file_map *m)
{
    for (size_t i = 0; i < MAX_MAPS; i++)
        if (atomic_load(&maps[i].data) == m->data) {
            atomic_store(&maps[i].data, NULL);
            atomic_store(&maps[i].state, SLOT_FREE);
        }
}

const char *file_map_at(const void *address)
{
    for (size_t i = 0; i < MAX_MAPS; i++) {
        uintptr_t data = (uintptr_t)atomic_load(&maps[i].data);
        if (data && (uintptr_t)address - data < maps[i].size)
            return maps[i].name;
    }
    return NULL;
}

int file_map(struct file_map *m, const char *path, struct err *e)
{
    if (file_map_plain(m, path, e))
        return -1;
    if (m->data)
        map_remember(m, path);
    return 0;
}

void file_unmap(struct file_map *m)
{
    if (m->data)
        map_forget(m);
    file_unmap_plain(m);
}

int file_read_fd(int fd, const char *name, size_t limit, char **text, size_t *n, struct err *e)
{
    size_t capacity = 0;
    size_t used = 0;
    char *data = NULL;
    for (;;) {
        if (used + 1 >= capacity) {
            size_t wanted = capacity ? 2 * capacity : 65536;
            char *bigger = wanted > capacity ? realloc(data, wanted) : NULL;
            if (!bigger) {
                free(data);
                return err_memory(e, "%s: out of memory after %zu bytes", name, used);
            }
            data = bigger;
            capacity = wanted;
        }
        ssize_t got = read(fd, data + used, capacity - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int rc = err_errno(e, "%s: cannot read", name);
            free(data);
            return rc;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > limit) {
            free(data);
            return err_set(e, "%s: too long (more than the limit of %zu bytes)", name, limit);
        }
    }
    data[used] = '\0';
    *text = data;
    *n = used;
    return 0;
}

int file_make_dirs(const char *path, struct err *e)
{
    char *copy = strdup(path);
    if (!copy)
        return err_memory(e, "%s: out of memory", path);
    int rc = 0;
    for (char *p = copy + (*copy != '\0'); rc == 0; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        struct stat st;
        if (mkdir(copy, 0777) != 0) {
            int reason = errno;
            /* any failure is fine where a directory stands: read-only parents say EROFS, EACCES */
            if (stat(copy, &st) == 0 && !S_ISDIR(st.st_mode))
                rc = err_set(e, "%s: exists and is not a directory", copy);
            else if (stat(copy, &st) != 0) {
                errno = reason;
                rc = err_errno(e, "%s: cannot create the directory", copy);
            }
        }
        *p = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return rc;
}

/* ---------------------------------------------------------------------------------- writing */

static char *slot_claim(void)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        int expected = SLOT_FREE;
        if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_CLAIMED))
            return slots[i].name;
    }
    return NULL;
}

static void slot_set(const char *name, int state)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (slots[i].name == name)
            atomic_store(&slots[i].state, state);
}

void file_out_cleanup(void)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (atomic_load(&slots[i].state) == SLOT_LIVE)
            unlink(slots[i].name);
}

/* Creates ".NAME.XXXXXX.tmp" beside `target`. Not mkostemp, which gives mode 0600 where a new file
 * should get what umask and the folder's default ACL say. */
static int temp_create(struct file_out *o, struct err *e)
{
    const char *slash = strrchr(o->target, '/');
    const char *name = slash ? slash + 1 : o->target;
    int folder = (int)(name - o->target);
    if (*name == '\0')
        return err_set(e, "%s: no file name", o->path);
    o->temp = slot_claim();
    if (!o->temp)
        return err_set(e, "%s: too many outputs open at once (limit %d)", o->path, MAX_OUTPUTS);
    for (int i = 0; i < TEMP_TRIES; i++) {
        static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
        unsigned char bytes[6];
        char random[7] = {0};
        if (getentropy(bytes, sizeof bytes) != 0)
            return err_errno(e, "%s: no random name for the temporary", o->path);
        for (size_t k = 0; k < sizeof bytes; k++)
            random[k] = digits[bytes[k] % 32];
        int length = snprintf(o->temp, PATH_MAX, "%.*s.%.*s.%s.tmp", folder, o->target, NAME_KEPT,
                              name, random);
        if (length < 0 || length >= PATH_MAX) {
            errno = ENAMETOOLONG;
            break;
        }
        slot_set(o->temp, SLOT_LIVE); /* before it exists, so that no signal can come in between */
        o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0)
            return 0;
        slot_set(o->temp, SLOT_CLAIMED);
        if (errno != EEXIST)
            break;
    }
    return err_errno(e, "%s: cannot create", o->path);
}

/* Opens what `path` names: a temporary for a regular file, the thing itself for anything else. */
static int out_open(struct file_out *o, const char *path, struct err *e)
{
    struct stat st;
    if (strcmp(path, "-") == 0) {
        o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        return o->fd < 0 ? err_errno(e, "%s", o->path) : 0;
    }
    bool exists = stat(path, &st) == 0;
    if (!exists &&
        errno != ENOENT) /* a name too long, a loop of links: not to be found at commit */
        return err_errno(e, "%s: cannot create", path);
    if (exists && S_ISDIR(st.st_mode))
        return err_set(e, "%s: is a directory, expected a file", path);
    if (exists && !S_ISREG(st.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return o->fd < 0 ? err_errno(e, "%s: cannot open for writing", path) : 0;
    }
    /* through a symbolic link the file it leads to is replaced, not the link */
    o->target = exists ? realpath(path, NULL) : strdup(path);
    if (!o->target)
        return err_errno(e, "%s: cannot resolve", path);
    return temp_create(o, e);
}

static void out_release(struct file_out *o)
{
    if (o->fd >= 0)
        close(o->fd); /* after a failure, or already closed with its check in file_out_commit */
    if (o->temp)
        slot_set(o->temp, SLOT_FREE);
    free(o->path);
    free(o->target);
    free(o->buf);
    *o = (struct file_out){.fd = -1};
}

int file_out_open(struct file_out *o, const char *path, struct err *e)
{
    *o = (struct file_out){.fd = -1};
    o->path = strdup(strcmp(path, "-") == 0 ? "standard output" : path);
    o->buf = malloc(BUFFER);
    int rc = o->path && o->buf ? out_open(o, path, e) : err_memory(e, "%s: out of memory", path);
    if (rc != 0)
        out_release(o); /* no temporary exists when opening failed */
    return rc;
}

static int out_put(struct file_out *o, const unsigned char *data, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t put = write(o->fd, data, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            o->failed = true;
            return err_errno(e, "%s: cannot write", o->path);
        }
        data += put;
        n -= (size_t)put;
    }
    return 0;
}

static int out_flush(struct file_out *o, struct err *e)
{
    int rc = out_put(o, o->buf, o->n_buf, e);
    o->n_buf = 0;
    return rc;
}

int file_out_write(struct file_out *o, const void *data, size_t n, struct err *e)
{
    o->position += n;
    if (n > BUFFER - o->n_buf && out_flush(o, e) != 0)
        return -1;
    if (n >= BUFFER)
        return out_put(o, data, n, e);
    if (n > 0)
        memcpy(o->buf + o->n_buf, data, n);
    o->n_buf += n;
    return 0;
}

int file_out_patch(struct file_out *o, uint64_t at, const void *data, size_t n, struct err *e)
{
    if (out_flush(o, e) != 0) /* first: a full disk is the better reason to fail */
        return -1;
    if (!o->temp)
        return err_set(e, "%s: cannot go back in a stream, a regular file is needed", o->path);
    if (at > o->position || n > o->position - at)
        return err_set(e, "%s: patch beyond what was written", o->path);
    const unsigned char *p = data;
    while (n > 0) {
        ssize_t put = pwrite(o->fd, p, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            o->failed = true;
            return err_errno(e, "%s: cannot write", o->path);
        }
        p += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

/* Makes a rename in the folder of `target` last through a power failure, where the file system can.
 */
static int sync_folder(const struct file_out *o, struct err *e)
{
    char *folder = strdup(o->target);
    if (!folder)
        return err_memory(e, "%s: out of memory", o->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) /* a folder we may write but not read */
        return errno == EACCES ? 0 : err_errno(e, "%s: cannot open its folder", o->path);
    int rc = 0;
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        rc = err_errno(e, "%s: cannot sync its folder", o->path);
    close(fd);
    return rc;
}

int file_out_sync(struct file_out *o, struct err *e)
{
    if (o->failed)
        return err_set(e, "%s: not saved, since an earlier write failed", o->path);
    if (out_flush(o, e) != 0)
        return -1;
    if (o->temp && fsync(o->fd) != 0)
        return err_errno(e, "%s: cannot write", o->path);
    return 0;
}

int file_out_commit(struct file_out *o, struct err *e)
{
    int rc = file_out_sync(o, e);
    if (rc == 0) {
        int closed = close(o->fd);
        o->fd = -1;
        if (closed != 0 && errno != EINTR)
            rc = err_errno(e, "%s: cannot write", o->path);
        else if (o->temp && rename(o->temp, o->target) != 0)
            rc = err_errno(e, "%s: cannot replace", o->path);
        else if (o->temp) {
            slot_set(o->temp, SLOT_FREE);
            o->temp = NULL;
            rc = sync_folder(o, e);
        }
    }
    file_out_abort(o);
    return rc;
}

void file_out_abort(struct file_out *o)
{
    if (!o->path)
        return;
    if (o->temp)
        unlink(o->temp);
    out_release(o);
}
