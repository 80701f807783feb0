#include "train/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "os/file.h"

static const char step_key[] = "{\"step\":";

/* ---- opening --------------------------------------------------------------------------------- */

static char *path_in(const char *dir, struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/log.jsonl", dir) >= 0)
        return path;
    err_memory(e, "out of memory");
    return NULL;
}

/* Two locks: flock is the one that keeps others out, on any file system; the other, over the whole
 * file, only tells who they are (F_GETLK), and does no harm where it cannot be had. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* The process that holds the second lock, or -1. */
static int64_t ask_holder(int fd)
{
    struct flock who = whole_file();
    return fcntl(fd, F_GETLK, &who) == 0 && who.l_type != F_UNLCK && who.l_pid > 0 ? who.l_pid : -1;
}

/* Who only asks whether the folder is held, holds it for that moment (log_holder), and is none that
 * ask_holder can name: such a one is waited for, a second at most. */
static int claim(const struct log *l, struct err *e)
{
    enum { MOST_TRIES = 50 };
    const struct timespec pause = {.tv_nsec = 20000000};
    struct flock mine = whole_file();
    int64_t pid = -1;
    for (int i = 0; i < MOST_TRIES && pid < 0; i++) {
        if (file_hold(l->fd, FILE_ALONE)) {
            (void)fcntl(l->fd, F_SETLK, &mine);
            return 0;
        }
        pid = ask_holder(l->fd);
        if (pid < 0)
            nanosleep(&pause, NULL);
    }
    if (pid < 0)
        return err_system(e, "%s: another run is writing to this folder", l->path);
    return err_system(e, "%s: another run is writing to this folder (process %" PRId64 ")", l->path,
                      pid);
}

int log_open(struct log *l, const char *dir, bool create, struct err *e)
{
    struct stat st;
    if (l->path)
        return 0;
    l->path = path_in(dir, e);
    if (!l->path)
        return -1;
    l->fd = open(l->path, O_RDWR | O_CLOEXEC | O_NOCTTY | (create ? O_CREAT : 0), 0666);
    if (l->fd < 0) {
        bool missing = !create && (errno == ENOENT || errno == ENOTDIR);
        int rc = missing ? 0 : err_errno(e, "%s: cannot open for writing", l->path);
        free(l->path);
        l->path = NULL;
        return rc;
    }
    if (fstat(l->fd, &st) != 0)
        err_errno(e, "%s", l->path);
    else if (claim(l, e) == 0) {
        l->regular = S_ISREG(st.st_mode);
        return 0;
    }
    log_close(l);
    return -1;
}

/* Length of the lines to keep, whole lines of steps up to last_step; *last gets where the last one
 * begins. */
static size_t good_prefix(const char *text, size_t n, uint64_t last_step, size_t *last)
{
    size_t at = 0;
    while (at < n) {
        const char *end = memchr(text + at, '\n', n - at);
        if (!end || n - at <= sizeof step_key ||
            memcmp(text + at, step_key, sizeof step_key - 1) != 0)
            break;
        if (strtoull(text + at + sizeof step_key - 1, NULL, 10) > last_step)
            break;
        *last = at;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

/* The first log-N.jsonl beside the log that there is not; NULL and *e on failure. */
static char *free_name(const struct log *l, struct err *e)
{
    const char *ending = strrchr(l->path, '.');
    char *name;
    for (int i = 1; asprintf(&name, "%.*s-%d%s", (int)(ending - l->path), l->path, i, ending) >= 0;
         i++) {
        if (access(name, F_OK) != 0)
            return name;
        free(name);
    }
    err_memory(e, "out of memory");
    return NULL;
}

static int set_aside(const struct log *l, const char *text, size_t n, const char *what,
                     struct err *e)
{
    struct file_out o = {0};
    char *name = free_name(l, e);
    int rc = !name || file_out_open(&o, name, e) || file_out_write(&o, text, n, e) ||
                     file_out_commit(&o, e)
                 ? -1
                 : 0;
    if (rc == 0)
        cli_say("log: %s %s\n", what, name);
    file_out_abort(&o);
    free(name);
    return rc;
}

/* Whether what follows the good lines is not only later ones, or a torn last one: a line that is
 * none of ours, and perhaps good ones after it. */
static bool has_strange_line(const char *text, size_t n)
{
    return memchr(text, '\n', n) &&
           (n < sizeof step_key || memcmp(text, step_key, sizeof step_key - 1) != 0);
}

int log_cut(struct log *l, uint64_t last_step, struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    if (!l->regular) /* a pipe or a device keeps nothing */
        return 0;
    int rc = file_read_fd(l->fd, l->path, (size_t)1 << 32, &text, &n, e);
    if (rc == 0) {
        size_t last = 0;
        size_t keep = good_prefix(text, n, last_step, &last);
        l->n = keep;
        l->last = keep > 0 ? strndup(text + last, keep - last) : NULL;
        if (keep < n && has_strange_line(text + keep, n - keep))
            rc = set_aside(l, text, n,
                           "it is cut before a line that is no report; the whole is now", e);
        if (rc == 0 && keep < n && ftruncate(l->fd, (off_t)keep) != 0)
            rc = err_errno(e, "%s: cannot shorten", l->path);
    }
    free(text);
    return rc;
}

int log_begin(struct log *l, struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    if (!l->regular)
        return 0;
    int rc = file_read_fd(l->fd, l->path, (size_t)1 << 32, &text, &n, e);
    if (rc == 0 && n > 0)
        rc = set_aside(l, text, n, "that of an earlier run, which left no checkpoint, is now", e);
    if (rc == 0 && n > 0 && ftruncate(l->fd, 0) != 0)
        rc = err_errno(e, "%s: cannot shorten", l->path);
    free(text);
    return rc;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void put_parts(struct cli_json *j, const struct log_report *r)
{
    if (r->n_parts == 0)
        return;
    cli_json_object(j, "val_parts");
    for (size_t i = 0; i < r->n_parts; i++) {
        cli_json_object(j, r->part_names[i]);
        cli_json_real(j, "loss", r->part_loss[i]);
        cli_json_real(j, "bpc", r->part_bpc[i]);
        cli_json_object_end(j);
    }
    cli_json_object_end(j);
}

static void put_validation(struct cli_json *j, const struct log_report *r)
{
    if (!isnan(r->val_loss)) {
        cli_json_real(j, "val_loss", r->val_loss);
        cli_json_real(j, "val_bpc", r->val_bpc);
        put_parts(j, r);
    }
    if (isnan(r->zero_share))
        return;
    cli_json_real(j, "zero_share", r->zero_share);
    cli_json_array(j, "block_zero_share");
    for (int l = 0; l < r->n_blocks; l++)
        cli_json_item_real(j, r->block_zero_share[l]);
    cli_json_array_end(j);
}

/* The text of a line, which the caller frees; without the steps' part it is the rest of a line. */
static char *line_of(const struct log_report *r, bool steps)
{
    struct cli_json j;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    cli_json_begin(&j, out);
    if (steps) {
        cli_json_uint(&j, "step", r->step);
        cli_json_uint(&j, "tokens", r->tokens);
        cli_json_uint(&j, "epoch", r->epoch);
        cli_json_real(&j, "loss", r->loss);
        cli_json_real(&j, "lr", r->lr);
        cli_json_real(&j, "tok_s", r->tok_s);
        cli_json_real(&j, "grad_norm", r->grad_norm);
        cli_json_real(&j, "progress", r->progress);
        cli_json_real(&j, "elapsed", r->elapsed);
    }
    put_validation(&j, r);
    cli_json_end(&j);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Writes n bytes after the whole lines, or to a stream. */
static int put_bytes(const struct log *l, const char *text, size_t n, struct err *e)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = l->regular ? pwrite(l->fd, text + done, n - done, (off_t)(l->n + done))
                                 : write(l->fd, text + done, n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return err_errno(e, "%s: cannot write", l->path);
        done += (size_t)put;
    }
    return 0;
}

/* Whether the name has gone, or leads to another file. */
static bool is_displaced(const struct log *l)
{
    struct stat ours, there;
    if (!l->regular || fstat(l->fd, &ours) != 0)
        return false;
    if (stat(l->path, &there) != 0)
        return errno == ENOENT;
    return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

int log_check_ours(const struct log *l, struct err *e)
{
    if (!is_displaced(l))
        return 0;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool taken = fd >= 0 && !file_hold(fd, FILE_SHARED);
    if (fd >= 0)
        close(fd); /* and the shared lock with it */
    return taken ? err_system(e,
                              "%s: is another run's now, which has this one's folder; nothing "
                              "more is saved there",
                              l->path)
                 : 0;
}

/* The lines of the file that was removed, in a new one, which holds the folder as it did. */
static int copy_to(struct log *to, const struct log *from, struct err *e)
{
    char *text = NULL;
    size_t n;
    int rc = claim(to, e);
    if (rc == 0 && lseek(from->fd, 0, SEEK_SET) != 0)
        rc = err_errno(e, "%s: cannot read", from->path);
    if (rc == 0)
        rc = file_read_fd(from->fd, from->path, (size_t)1 << 32, &text, &n, e);
    if (rc == 0)
        rc = put_bytes(to, text, MIN(n, from->n), e);
    free(text);
    return rc;
}

/* Its folder may have gone with it. */
static int make_again(const char *path)
{
    struct err ignored;
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY;
    int fd = open(path, flags, 0666);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int rc = folder ? file_make_dirs(folder, &ignored) : -1;
    free(folder);
    return rc ? -1 : open(path, flags, 0666);
}

static int put_back(struct log *l, struct err *e)
{
    struct log again = {.path = l->path, .regular = true};
    again.fd = make_again(l->path);
    if (again.fd < 0 && errno == EEXIST)
        return err_system(e,
                          "%s: another file has taken the place of this run's, and perhaps another "
                          "run the folder",
                          l->path);
    if (again.fd < 0)
        return err_errno(e, "%s: was removed, and cannot be made again", l->path);
    if (copy_to(&again, l, e)) {
        (void)unlink(l->path);
        close(again.fd);
        return -1;
    }
    close(l->fd);
    l->fd = again.fd;
    return 0;
}

static int write_waiting(struct log *l, struct err *e)
{
    size_t n = l->waiting ? strlen(l->waiting) : 0;
    if (n == 0)
        return 0;
    if (is_displaced(l) && put_back(l, e))
        return -1;
    if (put_bytes(l, l->waiting, n, e)) {
        /* a torn line goes; if that fails too, the next write covers it */
        if (l->regular && ftruncate(l->fd, (off_t)l->n) != 0)
            return -1;
        return -1;
    }
    l->n += n;
    free(l->waiting);
    l->waiting = NULL;
    return 0;
}

/* Takes over `line` as the last one, and writes it after those that wait. */
static int add_line(struct log *l, char *line, struct err *e)
{
    if (cli.json) {
        fputs(line, stdout);
        fflush(stdout);
    }
    char *all;
    if (asprintf(&all, "%s%s", l->waiting ? l->waiting : "", line) < 0) {
        free(line);
        return err_memory(e, "%s: out of memory", l->path);
    }
    free(l->waiting);
    free(l->last);
    l->waiting = all;
    l->last = line;
    return write_waiting(l, e);
}

int log_write(struct log *l, const struct log_report *r, struct err *e)
{
    char *line = line_of(r, true);
    return line ? add_line(l, line, e) : err_memory(e, "%s: out of memory", l->path);
}

int log_amend(struct log *l, const struct log_report *r, struct err *e)
{
    size_t n = l->last ? strlen(l->last) : 0;
    if (!l->regular || l->waiting || n < 2 || strstr(l->last, "\"val_loss\":") ||
        strtoull(l->last + sizeof step_key - 1, NULL, 10) != r->step)
        return 0;
    char *rest = line_of(r, false); /* {"val_loss":… */
    char *line;
    if (!rest || asprintf(&line, "%.*s,%s", (int)(n - 2), l->last, rest + 1) < 0) {
        free(rest);
        return err_memory(e, "%s: out of memory", l->path);
    }
    free(rest);
    l->n -= n; /* the same bytes again and the rest, in one write */
    return add_line(l, line, e);
}

int log_sync(struct log *l, struct err *e)
{
    if (write_waiting(l, e))
        return -1;
    if (fsync(l->fd) != 0 && errno != EINVAL) /* EINVAL: not a regular file */
        return err_errno(e, "%s: cannot write", l->path);
    return 0;
}

void log_close(struct log *l)
{
    if (l->path)
        close(l->fd);
    free(l->path);
    free(l->last);
    free(l->waiting);
    *l = (struct log){0};
}

/* ---- asking ---------------------------------------------------------------------------------- */

int log_holder(const char *dir, int64_t *pid, struct err *e)
{
    *pid = 0;
    char *path = path_in(dir, e);
    if (!path)
        return -1;
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        rc = err_errno(e, "%s: cannot open", path);
    if (fd >= 0 && !file_hold(fd, FILE_SHARED))
        *pid = ask_holder(fd);
    if (fd >= 0)
        close(fd); /* and the shared lock with it */
    free(path);
    return rc;
}
