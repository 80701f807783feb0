#include "os/file_set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

int file_set_take(struct file_set *s, struct file_out *o, struct err *e)
{
    if (!s)
        return file_out_commit(o, e);
    int rc = 0;
    if (s->n == FILE_SET_MAX)
        rc = err_set(e, "%s: more than %d files that belong together", o->path, FILE_SET_MAX);
    else if (array_reserve(&s->out, &s->capacity, s->n + 1, sizeof *s->out))
        rc = err_memory(e, "%s: out of memory", o->path);
    if (rc || file_out_sync(o, e)) {
        file_out_abort(o);
        return -1;
    }
    free(o->buf); /* nothing more is written, and many may wait */
    o->buf = NULL;
    s->out[s->n++] = *o; /* moved */
    *o = (struct file_out){.fd = -1};
    return 0;
}

/* Whether the file of fd stands under this name. */
static bool is_there(int fd, const struct stat *file, const char *name)
{
    struct stat st;
    return fd >= 0 && stat(name, &st) == 0 && st.st_dev == file->st_dev &&
           st.st_ino == file->st_ino;
}

int file_set_commit(struct file_set *s, struct err *e)
{
    char **placed = calloc(s->n + 1, sizeof *placed);
    int rc = placed ? 0 : err_memory(e, "out of memory for %zu files", s->n);
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        struct stat file;
        int fd = s->out[i].target && fstat(s->out[i].fd, &file) == 0 ? s->out[i].fd : -1;
        if (s->out[i].target && !(placed[i] = strdup(s->out[i].target)))
            rc = err_memory(e, "%s: out of memory", s->out[i].path);
        else
            rc = file_out_commit(&s->out[i], e);
        if (rc && !(placed[i] && is_there(fd, &file, placed[i]))) { /* this one is not in place */
            free(placed[i]);
            placed[i] = NULL;
        }
    }
    for (size_t i = 0; placed && i < s->n; i++) {
        if (rc && placed[i])
            unlink(placed[i]);
        free(placed[i]);
    }
    free(placed);
    file_set_abort(s);
    return rc;
}

void file_set_abort(struct file_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        file_out_abort(&s->out[i]);
    free(s->out);
    *s = (struct file_set){0};
}
