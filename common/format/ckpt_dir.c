#include "format/ckpt.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

/* The steps of all files step-N.safetensors of a folder. */
struct steps {
    uint64_t *items;
    size_t n;
    size_t capacity;
};

/* Only names that path_of gives: other files are not checkpoints of a run. */
static bool parse_name(const char *name, uint64_t *step)
{
    char same[64];
    unsigned long long n;
    if (sscanf(name, "step-%20llu", &n) != 1)
        return false;
    *step = n;
    snprintf(same, sizeof same, "step-%09llu.safetensors", n);
    return strcmp(name, same) == 0;
}

/* Path of a step's file; the caller frees it, NULL when out of memory. */
static char *path_of(const char *dir, uint64_t step)
{
    char *path;
    if (asprintf(&path, "%s/step-%09llu.safetensors", dir, (unsigned long long)step) < 0)
        return NULL;
    return path;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static bool add_step(struct steps *s, uint64_t step)
{
    if (array_reserve(&s->items, &s->capacity, s->n + 1, sizeof *s->items))
        return false;
    s->items[s->n++] = step;
    return true;
}

/* Lists the steps found in dir, the newest first; the caller frees s->items. */
static int list_steps(const char *dir, struct steps *s, struct err *e)
{
    *s = (struct steps){0};
    DIR *d = opendir(dir);
    if (!d)
        return err_errno(e, "%s", dir);
    int rc = 0;
    errno = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(d)); errno = 0) {
        uint64_t step;
        if (parse_name(entry->d_name, &step) && !add_step(s, step))
            rc = err_memory(e, "%s: out of memory", dir);
    }
    if (rc == 0 && errno)
        rc = err_errno(e, "%s", dir);
    closedir(d);
    if (s->n)
        qsort(s->items, s->n, sizeof *s->items, newest_first);
    if (rc)
        free(s->items);
    return rc;
}

/* Appends a line to a growing text. */
static int append_line(char **text, const char *line, struct err *e)
{
    char *longer;
    if (asprintf(&longer, "%s%s%s", *text ? *text : "", *text ? "\n" : "", line) < 0)
        return err_memory(e, "out of memory");
    free(*text);
    *text = longer;
    return 0;
}

int ckpt_open_read(struct ckpt *c, const char *path, struct err *e)
{
    return file_check_disk(path, e) ? -1 : ckpt_open(c, path, e);
}

/* Opens one candidate: 1 good, 0 damaged and noted, or gone since the folder was read, -1 failure.
 * A good one that the system does not give now, for want of memory or of permission, is not
 * damaged: an older one in its place would lose what was learned since. */
static int try_path(struct ckpt *c, const char *path, char **skipped, struct err *e)
{
    struct err fault;
    struct stat st;
    if (ckpt_open_read(c, path, &fault) == 0)
        return 1;
    if (fault.code == ERR_DATA)
        return skipped ? append_line(skipped, fault.text, e) : 0;
    if (lstat(path, &st) != 0 && errno == ENOENT)
        return 0;
    *e = fault;
    return -1;
}

/* The caller frees it; NULL when out of memory. */
static char *path_in(const char *dir, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static bool exists(const char *path)
{
    return path && access(path, F_OK) == 0;
}

int ckpt_open_newest(struct ckpt *c, const char *dir, char **path, char **skipped, struct err *e)
{
    struct steps steps;
    *path = NULL;
    if (skipped)
        *skipped = NULL;
    if (list_steps(dir, &steps, e))
        return -1;
    int found = 0;
    for (size_t i = 0; i <= steps.n && found == 0; i++) {
        char *candidate =
            i < steps.n ? path_of(dir, steps.items[i]) : path_in(dir, "best.safetensors");
        if (!candidate)
            found = err_memory(e, "out of memory");
        else if (i < steps.n || exists(candidate))
            found = try_path(c, candidate, skipped, e);
        if (found > 0)
            *path = candidate;
        else
            free(candidate);
    }
    free(steps.items);
    return found < 0 ? -1 : 0;
}

/* Opens *path, or frees it. */
static int open_named(struct ckpt *c, char **path, const char *dir, struct err *e)
{
    if (*path && ckpt_open(c, *path, e) == 0)
        return 0;
    if (!*path)
        err_memory(e, "%s: out of memory", dir);
    free(*path);
    *path = NULL;
    return -1;
}

int ckpt_open_best(struct ckpt *c, const char *dir, char **path, struct err *e)
{
    bool any;
    *path = path_in(dir, "best.safetensors");
    if (!*path || exists(*path))
        return open_named(c, path, dir, e);
    free(*path);
    if (ckpt_open_newest(c, dir, path, NULL, e))
        return -1;
    if (*path)
        return 0;
    if (ckpt_any(dir, &any, e))
        return -1;
    *path = path_in(dir, "model.safetensors");
    if (!*path || (!any && exists(*path)))
        return open_named(c, path, dir, e);
    free(*path);
    *path = NULL;
    return ckpt_none(dir, "holds no good checkpoint", e);
}

int ckpt_none(const char *dir, const char *what, struct err *e)
{
    char *vocabulary = path_in(dir, "vocab.db");
    bool prepared = exists(vocabulary);
    free(vocabulary);
    return prepared ? err_set(e,
                              "%s: holds what prep wrote, data to train on, and no checkpoint; "
                              "give the folder that train saved to",
                              dir)
                    : err_set(e, "%s: %s", dir, what);
}

int ckpt_prune(const char *dir, uint64_t step, size_t keep, struct err *e)
{
    struct steps steps;
    if (keep == 0)
        return 0;
    if (list_steps(dir, &steps, e))
        return -1;
    int rc = 0;
    size_t n_kept = 0;
    for (size_t i = 0; i < steps.n && rc == 0; i++) {
        if (steps.items[i] > step || n_kept++ < keep)
            continue;
        char *path = path_of(dir, steps.items[i]);
        if (!path)
            rc = err_memory(e, "out of memory");
        else if (unlink(path) && errno != ENOENT)
            rc = err_errno(e, "%s: cannot delete", path);
        free(path);
    }
    free(steps.items);
    return rc;
}

int ckpt_any(const char *dir, bool *any, struct err *e)
{
    struct steps steps;
    *any = false;
    if (!file_is_folder(dir))
        return 0;
    if (list_steps(dir, &steps, e))
        return -1;
    char *best = path_in(dir, "best.safetensors");
    *any = steps.n > 0 || exists(best);
    int rc = best ? 0 : err_memory(e, "%s: out of memory", dir);
    free(best);
    free(steps.items);
    return rc;
}

/* ".step-000000020.safetensors.a1b2c3.bolt.tmp": how file_out names an output being written; in
 * 0.1.0 it ended in ".tmp" alone. */
static bool is_stray(const char *name)
{
    bool ours = strncmp(name, ".step-", 6) == 0 || strncmp(name, ".best.", 6) == 0;
    const char *rest = strstr(name, ".safetensors.");
    return ours && rest &&
           (fnmatch(".safetensors.??????.bolt.tmp", rest, 0) == 0 ||
            fnmatch(".safetensors.??????.tmp", rest, 0) == 0);
}

void ckpt_remove_strays(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));)
        if (is_stray(entry->d_name) && unlinkat(dirfd(d), entry->d_name, 0) != 0)
            break; /* only space is lost */
    closedir(d);
}
