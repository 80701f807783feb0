#include "os/file_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_set_take(struct file_set *s, struct file_out *o, struct err *e)
{
    if (!s)
        return file_out_commit(o, e);
    int rc = s->n < FILE_SET_MAX
                 ? file_out_sync(o, e)
                 : err_set(e, "%s: more than %d files in a set", o->path, FILE_SET_MAX);
    if (rc) {
        file_out_abort(o);
        return -1;
    }
    s->out[s->n++] = *o; /* moved */
    *o = (struct file_out){.fd = -1};
    return 0;
}

int file_set_commit(struct file_set *s, struct err *e)
{
    char *placed[FILE_SET_MAX] = {NULL};
    int rc = 0;
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        if (s->out[i].target && !(placed[i] = strdup(s->out[i].target)))
            rc = err_memory(e, "%s: out of memory", s->out[i].path);
        else
            rc = file_out_commit(&s->out[i], e);
        if (rc) { /* this one is not in place */
            free(placed[i]);
            placed[i] = NULL;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        if (rc && placed[i])
            unlink(placed[i]);
        free(placed[i]);
    }
    file_set_abort(s);
    return rc;
}

void file_set_abort(struct file_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        file_out_abort(&s->out[i]);
    *s = (struct file_set){0};
}
