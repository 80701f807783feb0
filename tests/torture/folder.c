#include "torture/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/safetensors.h"
#include "torture/torture.h"

enum { PATH = 512 };

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

void folder_read(struct folder *f, const char *path)
{
    DIR *d = opendir(path);
    f->n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (f->n == FOLDER_MAX_FILES || strlen(entry->d_name) >= FOLDER_NAME)
            torture_stop("%s: more or longer names than expected", path);
        strcpy(f->names[f->n++], entry->d_name);
    }
    if (d)
        closedir(d);
    qsort(f->names, f->n, FOLDER_NAME, by_name);
}

bool folder_has(const struct folder *f, const char *name)
{
    return bsearch(name, f->names, f->n, FOLDER_NAME, by_name) != NULL;
}

void folder_remove(const char *path)
{
    struct folder f;
    char name[PATH];
    folder_read(&f, path);
    for (size_t i = 0; i < f.n; i++) {
        snprintf(name, sizeof name, "%s/%s", path, f.names[i]);
        if (remove(name))
            torture_stop("%s: cannot remove", name);
    }
    rmdir(path);
}

/* A file's bytes, zero-terminated, which the caller frees; NULL if it cannot be
 * read. */
static char *read_file(const char *path, size_t *n)
{
    struct stat st;
    FILE *in = fopen(path, "rb");
    char *data = NULL;
    if (in && fstat(fileno(in), &st) == 0 && (data = malloc((size_t)st.st_size + 1))) {
        *n = fread(data, 1, (size_t)st.st_size, in);
        data[*n] = '\0';
    }
    if (in)
        fclose(in);
    return data;
}

void folder_copy(const char *from, const char *to)
{
    struct folder f;
    folder_remove(to);
    mkdir(to, 0777);
    folder_read(&f, from);
    for (size_t i = 0; i < f.n; i++) {
        char a[PATH], b[PATH];
        size_t n = 0;
        snprintf(a, sizeof a, "%s/%s", from, f.names[i]);
        snprintf(b, sizeof b, "%s/%s", to, f.names[i]);
        char *data = read_file(a, &n);
        FILE *out = fopen(b, "wb");
        if (!data || !out || fwrite(data, 1, n, out) != n || fclose(out))
            torture_stop("%s: cannot copy", a);
        free(data);
    }
}

bool folder_is_stray(const char *name)
{
    return name[0] == '.';
}

size_t folder_strays(const char *path)
{
    struct folder f;
    size_t n = 0;
    folder_read(&f, path);
    for (size_t i = 0; i < f.n; i++)
        n += folder_is_stray(f.names[i]);
    return n;
}

/* ---- comparing
 * -------------------------------------------------------------------------------
 */

static bool same_bytes(const char *a, const char *b)
{
    size_t n_a = 0, n_b = 0;
    char *x = read_file(a, &n_a);
    char *y = read_file(b, &n_b);
    bool same = x && y && n_a == n_b && memcmp(x, y, n_a) == 0;
    free(x);
    free(y);
    return same;
}

/* Metadata that tell the time, or are a hash of those that do. */
static bool tells_time(const char *key)
{
    return strcmp(key, "elapsed") == 0 || strncmp(key, "xxh3", 4) == 0 || strstr(key, "hash");
}

static bool same_metadata(const struct safetensors *a, const struct safetensors *b)
{
    for (size_t i = 0; i < a->n_meta; i++) {
        const char *other = safetensors_meta(b, a->meta[i].key);
        if (!other || (!tells_time(a->meta[i].key) && strcmp(a->meta[i].value, other) != 0))
            return false;
    }
    return a->n_meta == b->n_meta;
}

static bool same_tensors(const struct safetensors *a, const struct safetensors *b)
{
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct st_tensor *x = &a->tensors[i];
        const struct st_tensor *y = safetensors_find(b, x->name);
        if (!y || x->type != y->type || x->n_bytes != y->n_bytes ||
            memcmp(x->data, y->data, x->n_bytes) != 0)
            return false;
    }
    return a->n_tensors == b->n_tensors;
}

static bool compare(const char *a, const char *b, bool metadata_too)
{
    struct safetensors x, y;
    struct err e;
    if (safetensors_open(&x, a, &e))
        return false;
    bool same = safetensors_open(&y, b, &e) == 0;
    if (same) {
        same = (!metadata_too || same_metadata(&x, &y)) && same_tensors(&x, &y);
        safetensors_close(&y);
    }
    safetensors_close(&x);
    return same;
}

bool folder_same_tensors(const char *a, const char *b)
{
    return compare(a, b, false);
}

/* Takes "KEY":NUMBER out of every line. */
static void drop_field(char *text, const char *key)
{
    for (char *at = text; (at = strstr(at, key));) {
        char *end = at + strcspn(at, ",}\n");
        memmove(at, end, strlen(end) + 1);
    }
}

static bool same_log(const char *a, const char *b)
{
    size_t n;
    char *x = read_file(a, &n);
    char *y = read_file(b, &n);
    static const char *const fields[] = {"\"tok_s\":", "\"elapsed\":"};
    for (size_t i = 0; x && y && i < ARRAY_LEN(fields); i++) {
        drop_field(x, fields[i]);
        drop_field(y, fields[i]);
    }
    bool same = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

bool folder_same_file(const char *a, const char *b)
{
    if (ends_with(a, ".safetensors"))
        return compare(a, b, true);
    if (ends_with(a, "log.jsonl"))
        return same_log(a, b);
    return same_bytes(a, b);
}

/* A log that train has set aside: what a run killed before its first checkpoint had told. */
static bool is_old_log(const char *name)
{
    return strncmp(name, "log-", 4) == 0 && ends_with(name, ".jsonl");
}

const char *folder_difference(const char *a, const char *b)
{
    static struct folder x, y;
    folder_read(&x, a);
    folder_read(&y, b);
    for (size_t i = 0; i < x.n; i++) {
        char one[PATH], other[PATH];
        if (folder_is_stray(x.names[i]) || is_old_log(x.names[i]))
            continue;
        snprintf(one, sizeof one, "%s/%s", a, x.names[i]);
        snprintf(other, sizeof other, "%s/%s", b, x.names[i]);
        if (!folder_has(&y, x.names[i]) || !folder_same_file(one, other))
            return x.names[i];
    }
    for (size_t i = 0; i < y.n; i++)
        if (!folder_is_stray(y.names[i]) && !folder_has(&x, y.names[i]))
            return y.names[i];
    return NULL;
}
