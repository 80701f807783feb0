/* Output that appears whole or not at all. */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 18,
    MAX_OUTPUTS = 256, /* temporaries open at once */
    NAME_KEPT = 200,   /* bytes of the name of a file kept in the name of its temporary */
    N_DIGITS = 6,
    TEMP_TRIES = 100
};

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
static const char temp_end[] = ".bolt.tmp"; /* nobody else's, since strays are deleted by name */

/* Names of temporaries, in static memory so that a signal handler can read them at any moment: a
 * slot is claimed, filled, then live, and never freed memory. */
enum { SLOT_FREE, SLOT_CLAIMED, SLOT_LIVE };
static struct {
    atomic_int state;
    char name[PATH_MAX];
} slots[MAX_OUTPUTS];

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

/* ---- temporaries ---- */

/* The folder of a path, as bytes of it ("" for the current one), and the name in it. */
static const char *split_path(const char *path, int *folder)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    *folder = (int)(name - path);
    return name;
}

/* ".NAME.XXXXXX.bolt.tmp", and NAME what `name` is or begins with. */
static bool is_temp_of(const char *entry, const char *name)
{
    size_t n = MIN(strlen(name), (size_t)NAME_KEPT);
    return entry[0] == '.' && strncmp(entry + 1, name, n) == 0 && entry[n + 1] == '.' &&
           strspn(entry + n + 2, digits) == N_DIGITS &&
           strcmp(entry + n + 2 + N_DIGITS, temp_end) == 0;
}

/* Removes the temporaries of this target that no process holds. What cannot be removed is only
 * space lost. */
static void remove_strays(const char *target)
{
    int folder;
    const char *name = split_path(target, &folder);
    char *dir = folder ? strndup(target, (size_t)folder) : strdup(".");
    DIR *d = dir ? opendir(dir) : NULL;
    free(dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (!is_temp_of(entry->d_name, name))
            continue;
        int fd = file_open_to_hold(dirfd(d), entry->d_name, O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(d), entry->d_name, 0);
        close(fd);
    }
    closedir(d);
}

/* A random name for a temporary beside the target. */
static int temp_name(const struct file_out *o, char out[PATH_MAX], struct err *e)
{
    unsigned char bytes[N_DIGITS];
    char random[N_DIGITS + 1] = {0};
    int folder;
    const char *name = split_path(o->target, &folder);
    if (getentropy(bytes, sizeof bytes) != 0)
        return err_errno(e, "%s: no random name for the temporary", o->path);
    for (size_t i = 0; i < N_DIGITS; i++)
        random[i] = digits[bytes[i] % 32];
    int length = snprintf(out, PATH_MAX, "%.*s.%.*s.%s%s", folder, o->target, NAME_KEPT, name,
                          random, temp_end);
    if (length >= 0 && length < PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return err_errno(e, "%s: cannot create", o->path);
}

static void fd_path(int fd, char path[32])
{
    snprintf(path, 32, "/proc/self/fd/%d", fd);
}

/* A file without a name in the folder of the target; -1 where there is no such thing, or no way to
 * name it later. */
static int open_nameless(const char *target)
{
#ifdef O_TMPFILE
    int folder;
    char self[32];
    (void)split_path(target, &folder);
    char *dir = folder ? strndup(target, (size_t)folder) : strdup(".");
    int fd = dir ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666) : -1;
    free(dir);
    if (fd < 0)
        return -1;
    fd_path(fd, self);
    if (access(self, F_OK) == 0)
        return fd;
    close(fd);
#else
    (void)target;
#endif
    return -1;
}

/* True if the file has been locked in time: before it was, another could take it for a stray. */
static bool lock_temp(int fd)
{
    struct stat st;
    (void)flock(fd, LOCK_EX | LOCK_NB);
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* Not mkostemp, which gives mode 0600 where a new file should get what umask and the folder's
 * default ACL say. */
static int open_named(struct file_out *o, struct err *e)
{
    for (int i = 0; i < TEMP_TRIES; i++) {
        if (temp_name(o, o->temp, e))
            return -1;
        slot_set(o->temp, SLOT_LIVE); /* before it exists, so that no signal can come in between */
        o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        o->named = o->fd >= 0 && lock_temp(o->fd);
        if (o->named)
            return 0;
        slot_set(o->temp, SLOT_CLAIMED);
        if (o->fd >= 0)
            close(o->fd); /* empty, and already removed */
        else if (errno != EEXIST)
            break;
        o->fd = -1;
    }
    return err_errno(e, "%s: cannot create", o->path);
}

static int temp_create(struct file_out *o, struct err *e)
{
    int folder;
    if (*split_path(o->target, &folder) == '\0')
        return err_set(e, "%s: no file name", o->path);
    o->temp = slot_claim();
    if (!o->temp)
        return err_set(e, "%s: too many outputs open at once (limit %d)", o->path, MAX_OUTPUTS);
    remove_strays(o->target);
    o->fd = open_nameless(o->target);
    if (o->fd < 0)
        return open_named(o, e);
    (void)flock(o->fd, LOCK_EX | LOCK_NB);
    return 0;
}

/* Gives a nameless file its temporary name. */
static int name_temp(struct file_out *o, struct err *e)
{
    char self[32];
    fd_path(o->fd, self);
    for (int i = 0; i < TEMP_TRIES && !o->named; i++) {
        if (temp_name(o, o->temp, e))
            return -1;
        slot_set(o->temp, SLOT_LIVE);
        o->named = linkat(AT_FDCWD, self, AT_FDCWD, o->temp, AT_SYMLINK_FOLLOW) == 0;
        if (o->named)
            return 0;
        slot_set(o->temp, SLOT_CLAIMED);
        if (errno != EEXIST)
            break;
    }
    return o->named ? 0 : err_errno(e, "%s: cannot create", o->path);
}

/* ---- outputs ---- */

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
    if (temp_create(o, e))
        return -1;
    if (exists)
        (void)fchmod(o->fd, st.st_mode & 0777); /* where the file system has such a thing */
    return 0;
}

static void out_release(struct file_out *o)
{
    if (o->fd >= 0)
        close(o->fd); /* after a failure, or already closed with its check in file_out_commit */
    if (o->temp)
        slot_set(o->temp, SLOT_FREE);
    free(o->path);
    free(o->target);
    free(o->kept);
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

/* Makes a rename in the folder of `target` last. */
static int sync_folder(const struct file_out *o, struct err *e)
{
    char *folder = strdup(o->target);
    if (!folder)
        return err_memory(e, "%s: out of memory", o->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int rc = file_sync_folder(slash ? folder : ".");
    if (rc)
        err_errno(e, "%s: cannot sync its folder", o->path);
    free(folder);
    return rc;
}

/* As posix_fallocate, where there is one. */
static int allocate(int fd, uint64_t n)
{
#if defined _POSIX_ADVISORY_INFO && _POSIX_ADVISORY_INFO > 0
    int code = n <= INT64_MAX ? EINTR : EFBIG;
    while (code == EINTR)
        code = posix_fallocate(fd, 0, (off_t)n);
    return code;
#else
    (void)fd;
    (void)n;
    return EOPNOTSUPP;
#endif
}

int file_out_reserve(struct file_out *o, uint64_t n, struct err *e)
{
    if (!o->temp || n == 0)
        return 0;
    int code = allocate(o->fd, n);
    if (code == EOPNOTSUPP || code == EINVAL || code == ENOSYS) /* the file system cannot tell */
        return 0;
    o->reserved = true;
    if (code == 0)
        return 0;
    errno = code;
    err_errno(e, "%s: cannot reserve %.1f MB", o->path, (double)n / 1e6);
    errno = code;
    return -1;
}

/* All that was accepted, and no more of the file than that. */
static int write_rest(struct file_out *o, struct err *e)
{
    if (o->failed)
        return err_set(e, "%s: not saved, since an earlier write failed", o->path);
    if (out_flush(o, e) != 0)
        return -1;
    if (o->reserved && ftruncate(o->fd, (off_t)o->position) != 0)
        return err_errno(e, "%s: cannot write", o->path);
    o->reserved = false;
    return 0;
}

int file_out_end(struct file_out *o, struct err *e)
{
    if (write_rest(o, e))
        return -1;
    free(o->buf);
    o->buf = NULL;
#ifdef SYNC_FILE_RANGE_WRITE
    if (o->temp)
        (void)sync_file_range(o->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fsync tells what fails */
#endif
    return 0;
}

int file_out_sync(struct file_out *o, struct err *e)
{
    if (write_rest(o, e))
        return -1;
    if (o->temp && fsync(o->fd) != 0)
        return err_errno(e, "%s: cannot write", o->path);
    return 0;
}

int file_out_name(struct file_out *o, struct err *e)
{
    return o->temp && !o->named ? name_temp(o, e) : 0;
}

int file_out_keep(struct file_out *o, bool aside, struct err *e)
{
    char kept[PATH_MAX];
    if (!o->temp)
        return 0;
    if (temp_name(o, kept, e))
        return -1;
    o->kept = strdup(kept); /* before there is such a name */
    if (!o->kept)
        return err_memory(e, "%s: out of memory", o->path);
    int rc = aside ? rename(o->target, kept) : linkat(AT_FDCWD, o->target, AT_FDCWD, kept, 0);
    if (rc == 0) {
        o->aside = aside;
        return 0;
    }
    bool nothing = errno == ENOENT;
    bool no_links = !aside && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
                               errno == EMLINK || errno == EXDEV);
    rc = nothing || no_links ? 0 : err_errno(e, "%s: cannot keep what it replaces", o->path);
    free(o->kept);
    o->kept = NULL;
    return rc;
}

int file_out_put_back(struct file_out *o, struct err *e)
{
    if (!o->placed && !o->aside)
        return 0;
    int rc = 0;
    if (!o->kept && unlink(o->target) != 0)
        rc = err_errno(e, "%s: cannot be taken away again", o->path);
    if (o->kept && rename(o->kept, o->target) != 0)
        rc = err_errno(e, "%s: cannot be put back, and is now %s", o->path, o->kept);
    free(o->kept); /* and not the file, where this is its name */
    o->kept = NULL;
    o->placed = o->aside = false;
    return rc;
}

/* The file keeps its lock until it has its place: a close that could fail has nothing left to lose
 * after fsync. */
int file_out_place(struct file_out *o, struct err *e)
{
    if (!o->temp) {
        int closed = close(o->fd);
        o->fd = -1;
        return closed == 0 || errno == EINTR ? 0 : err_errno(e, "%s: cannot write", o->path);
    }
    if (file_out_name(o, e))
        return -1;
    if (rename(o->temp, o->target) != 0)
        return err_errno(e, "%s: cannot replace", o->path);
    slot_set(o->temp, SLOT_FREE);
    o->temp = NULL;
    o->named = false;
    o->placed = true;
    o->aside = false;
    return 0;
}

int file_out_settle(const struct file_out *o, struct err *e)
{
    return o->target ? sync_folder(o, e) : 0;
}

int file_out_commit(struct file_out *o, struct err *e)
{
    int rc = file_out_sync(o, e) || file_out_place(o, e) || file_out_settle(o, e) ? -1 : 0;
    file_out_abort(o);
    return rc;
}

void file_out_abort(struct file_out *o)
{
    if (!o->path)
        return;
    if (o->named)
        unlink(o->temp);
    if (o->kept)
        unlink(o->kept);
    out_release(o);
}
