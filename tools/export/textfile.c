#include "export/textfile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 24 };

int textfile_check(const char *path, const char *words, struct err *e)
{
    struct stat st;
    char *text = NULL;
    size_t n;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0; /* nothing is lost, and opening it says what else is wrong */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "%s: cannot open", path);
    int rc = file_read_fd(fd, path, MOST_BYTES, &text, &n, e);
    close(fd);
    if (rc == 0 && !memmem(text, n, words, strlen(words)))
        rc = err_set(e,
                     "%s: is of something else (expected '%s' in it); choose another output, or "
                     "remove it",
                     path, words);
    free(text);
    return rc;
}

char *textfile_path(const char *dir, const char *name, struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) >= 0)
        return path;
    err_memory(e, "%s: out of memory", dir);
    return NULL;
}

FILE *textfile_open(struct textfile *t, struct err *e)
{
    *t = (struct textfile){0};
    t->stream = open_memstream(&t->text, &t->n);
    if (!t->stream)
        err_memory(e, "out of memory for a text");
    return t->stream;
}

static int put(const char *text, size_t n, const char *dir, const char *name,
               struct file_set *files, struct err *e)
{
    struct file_out out;
    char *path = textfile_path(dir, name, e);
    if (!path)
        return -1;
    int rc = file_out_open(&out, path, e);
    if (rc == 0 && (rc = file_out_write(&out, text, n, e)))
        file_out_abort(&out);
    if (rc == 0)
        rc = file_set_take(files, &out, e);
    free(path);
    return rc;
}

int textfile_close(struct textfile *t, const char *dir, const char *name, struct file_set *files,
                   struct err *e)
{
    bool whole = !ferror(t->stream);
    int rc = fclose(t->stream) == 0 && whole ? put(t->text, t->n, dir, name, files, e)
                                             : err_memory(e, "%s/%s: out of memory", dir, name);
    free(t->text);
    *t = (struct textfile){0};
    return rc;
}

int textfile_write(const char *text, const char *dir, const char *name, struct file_set *files,
                   struct err *e)
{
    return put(text, strlen(text), dir, name, files, e);
}
