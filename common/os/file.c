#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MAPS = 512 /* maps whose paths are kept */ };

/* Paths of the maps, in static memory so that a signal handler can read them at any moment. An
 * entry counts once its data is set. */
enum { MAP_FREE, MAP_CLAIMED };
static struct {
    atomic_int state;
    _Atomic(const unsigned char *) data;
    size_t size;
    char name[PATH_MAX];
} maps[MAX_MAPS];

static void map_remember(const struct file_map *m, const char *path)
{
    for (size_t i = 0; i < MAX_MAPS; i++) {
        int expected = MAP_FREE;
        if (!atomic_compare_exchange_strong(&maps[i].state, &expected, MAP_CLAIMED))
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
            atomic_store(&maps[i].state, MAP_FREE);
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

/* A sector that cannot be read, or what a file system has a checksum of that is wrong. */
static bool is_lost(int code)
{
#ifdef EUCLEAN
    if (code == EUCLEAN)
        return true;
#endif
    return code == EIO || code == EBADMSG;
}

int file_check_disk(const char *path, struct err *e)
{
    enum { BLOCK = 1 << 16 };
    char block[BLOCK];
    struct stat st;
    uint64_t at = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, "%s: cannot open", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        do {
            got = read(fd, block, sizeof block);
            at += got > 0 ? (uint64_t)got : 0;
        } while (got > 0 || (got < 0 && errno == EINTR));
    }
    int rc = 0;
    if (got < 0 && is_lost(errno))
        rc = err_set(e, "%s: damaged: cannot read from byte %llu on (%s)", path,
                     (unsigned long long)at, strerror(errno));
    else if (got < 0)
        rc = err_errno(e, "%s: cannot read", path);
    close(fd); /* only read: nothing can be lost */
    return rc;
}

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_hold(int fd, enum file_holding how)
{
    int lock = how == FILE_ALONE ? LOCK_EX : LOCK_SH;
    int rc;
    do
        rc = flock(fd, lock | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    return rc == 0 || errno != EWOULDBLOCK;
}

int file_open_to_hold(int dir, const char *name, int flags)
{
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = openat(dir, name, O_RDWR | flags);
    return fd < 0 && errno != ENOENT ? openat(dir, name, O_RDONLY | flags) : fd;
}

int file_sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* a folder we may write but not read */
        return errno == EACCES ? 0 : -1;
    int code = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    close(fd);
    errno = code;
    return code ? -1 : 0;
}

/* As file_sync_folder, of the folder in which `path` is a name. */
static int sync_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return file_sync_folder(".");
    char next = slash == path ? slash[1] : '/';
    slash[slash == path] = '\0';
    int rc = file_sync_folder(path);
    slash[slash == path] = next;
    return rc;
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
        } else if (sync_parent(copy) != 0) {
            rc = err_errno(e, "%s: cannot sync the folder it is in", copy);
        }
        *p = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return rc;
}

int file_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char *name;
    if (asprintf(&name, "%s/.bolt-XXXXXX", folder) < 0)
        return -1;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd;
}

FILE *file_unnamed_stream(const char *folder)
{
    int fd = file_unnamed(folder);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (fd >= 0 && !f)
        close(fd);
    return f;
}
