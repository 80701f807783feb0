#include "os/file_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "os/signals.h"

int file_set_take(struct file_set *s, struct file_out *o, struct err *e)
{
    if (!s)
        return file_out_commit(o, e);
    int rc = 0;
    if (s->n == FILE_SET_MAX)
        rc = err_set(e, "%s: more than %d files that belong together", o->path, FILE_SET_MAX);
    else if (array_reserve(&s->out, &s->capacity, s->n + 1, sizeof *s->out))
        rc = err_memory(e, "%s: out of memory", o->path);
    if (rc || file_out_end(o, e)) {
        file_out_abort(o);
        return -1;
    }
    s->out[s->n++] = *o; /* moved */
    *o = (struct file_out){.fd = -1};
    return 0;
}

/* Bytes of the path's folder, with its slash. */
static int folder_length(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? (int)(slash + 1 - path) : 0;
}

/* Whether the folder of this file is that of one before it. */
static bool is_settled(const struct file_set *s, size_t i)
{
    const char *path = s->out[i].target;
    int n = folder_length(path);
    for (size_t k = 0; path && k < i; k++) {
        const char *before = s->out[k].target;
        if (before && folder_length(before) == n && strncmp(before, path, (size_t)n) == 0)
            return true;
    }
    return false;
}

static int sync_all(struct file_set *s, struct err *e)
{
    for (size_t i = 0; i < s->n; i++)
        if (file_out_sync(&s->out[i], e))
            return -1;
    return 0;
}

static int place_all(struct file_set *s, struct err *e)
{
    bool last_first = s->last_completes && s->n > 1;
    for (size_t i = 0; i < s->n; i++)
        if (file_out_name(&s->out[i], e))
            return -1;
    for (size_t i = 0; i < s->n; i++)
        if (file_out_keep(&s->out[i], last_first && i + 1 == s->n, e))
            return -1;
    for (size_t i = 0; i < s->n; i++)
        if (file_out_place(&s->out[i], e))
            return -1;
    for (size_t i = 0; i < s->n; i++)
        if (!is_settled(s, i) && file_out_settle(&s->out[i], e))
            return -1;
    return 0;
}

/* The last one comes back last: without it the others are no whole. */
static void put_back_all(struct file_set *s, struct err *e)
{
    struct err fault;
    for (size_t i = 0; i < s->n; i++) {
        if (file_out_put_back(&s->out[i], &fault) == 0)
            continue;
        struct err first = *e;
        err_system(e, "%s; %s", first.text, fault.text);
    }
}

int file_set_commit(struct file_set *s, struct err *e)
{
    sigset_t before;
    int rc = sync_all(s, e);
    signals_hold(&before); /* one that ends the program waits: all files or none */
    if (rc == 0)
        rc = place_all(s, e);
    if (rc)
        put_back_all(s, e);
    file_set_abort(s);
    signals_release(&before);
    return rc;
}

void file_set_abort(struct file_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        file_out_abort(&s->out[i]);
    free(s->out);
    *s = (struct file_set){0};
}
