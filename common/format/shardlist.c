#include "format/shardlist.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "format/jsondoc.h"

const char *const shardlist_split_names[SHARDLIST_N_SPLITS] = {"train", "valid"};

static const char list_name[] = "shards.json";
static const char ending[] = ".shard";
enum { MOST_BYTES = 16 << 20 };

/* ---- items ----------------------------------------------------------------------------------- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define OTHERS "0123456789-_"

bool shardlist_is_part(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < SHARDLIST_PART_BYTES && strspn(name, LETTERS) > 0 &&
           strspn(name, LETTERS OTHERS) == n;
}

/* A name in the folder itself, so that a list reaches nothing else. */
static bool is_file_name(const char *name)
{
    size_t n = strlen(name), end = sizeof ending - 1;
    return n > end && n < SHARDLIST_NAME_BYTES && name[0] != '.' &&
           strspn(name, LETTERS OTHERS ".") == n && strcmp(name + n - end, ending) == 0;
}

size_t shardlist_parts(const struct shardlist *l, const char *names[SHARDLIST_MAX_PARTS])
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], l->items[i].part) != 0)
            k++;
        if (k == n && l->items[i].part[0] && n < SHARDLIST_MAX_PARTS)
            names[n++] = l->items[i].part;
    }
    return n;
}

int shardlist_add(struct shardlist *l, const char *file, enum shardlist_split split,
                  const char *part, uint64_t fingerprint, struct err *e)
{
    if (array_reserve(&l->items, &l->capacity, l->n + 1, sizeof *l->items))
        return err_memory(e, "out of memory for %zu shards", l->n + 1);
    struct shardlist_item *item = &l->items[l->n++];
    *item = (struct shardlist_item){.split = split, .fingerprint = fingerprint};
    snprintf(item->file, sizeof item->file, "%s", file);
    snprintf(item->part, sizeof item->part, "%s", part ? part : "");
    return 0;
}

void shardlist_release(struct shardlist *l)
{
    free(l->items);
    *l = (struct shardlist){0};
}

/* ---- reading --------------------------------------------------------------------------------- */

/* 0 is not allowed: in a list that is not from a file it means "unknown". */
static bool parse_fingerprint(const json_t *value, uint64_t *out)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *out = strtoull(text, NULL, 16);
    return *out != 0;
}

/* Rules 3 and 4, of one entry. */
static int read_item(struct shardlist *l, const json_t *object, struct err *e)
{
    const char *file = json_string_value(json_object_get(object, "file"));
    const char *split = json_string_value(json_object_get(object, "split"));
    const json_t *part_value = json_object_get(object, "part");
    const char *part = json_string_value(part_value);
    uint64_t fingerprint;
    if (!file || !is_file_name(file))
        return err_set(e, "shard %zu: \"file\" is not the name of a shard in this folder", l->n);
    if (!split || (strcmp(split, "train") != 0 && strcmp(split, "valid") != 0))
        return err_set(e, "%s: \"split\" is neither train nor valid", file);
    if (part_value && (!part || !shardlist_is_part(part)))
        return err_set(e, "%s: \"part\" is not the name of a part", file);
    if (!parse_fingerprint(json_object_get(object, "fingerprint"), &fingerprint))
        return err_set(e, "%s: \"fingerprint\" is none: not 16 hexadecimal digits, or 0", file);
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].file, file) == 0)
            return err_set(e, "%s: is listed twice", file);
    if (l->n > 0 && !part != !l->items[0].part[0])
        return err_set(e, "%s: %s, unlike the shards before it", file,
                       part ? "is of a part" : "is of no part");
    return shardlist_add(l, file, strcmp(split, "train") == 0 ? SHARDLIST_TRAIN : SHARDLIST_VALID,
                         part, fingerprint, e);
}

/* Rule 4: no more parts than SHARDLIST_MAX_PARTS. */
static int check_parts(const struct shardlist *l, struct err *e)
{
    const char *names[SHARDLIST_MAX_PARTS];
    size_t n = shardlist_parts(l, names);
    for (size_t i = 0; i < l->n && l->items[0].part[0]; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], l->items[i].part) != 0)
            k++;
        if (k == n)
            return err_set(e, "more than %d parts", SHARDLIST_MAX_PARTS);
    }
    return 0;
}

static int read_document(struct shardlist *l, const json_t *doc, struct err *e)
{
    const json_t *version = json_object_get(doc, "version");
    const json_t *shards = json_object_get(doc, "shards");
    if (!json_is_integer(version))
        return err_set(e, "not a list of shards: \"version\" is missing");
    if (json_integer_value(version) != SHARDLIST_VERSION)
        return err_set(e, "unknown version of the list of shards (found %lld, expected %d)",
                       (long long)json_integer_value(version), SHARDLIST_VERSION);
    if (!parse_fingerprint(json_object_get(doc, "vocab_fingerprint"), &l->vocab_fingerprint))
        return err_set(e, "\"vocab_fingerprint\" is none: not 16 hexadecimal digits, or 0");
    if (!json_is_array(shards))
        return err_set(e, "\"shards\" is not an array");
    for (size_t i = 0; i < json_array_size(shards); i++)
        if (read_item(l, json_array_get(shards, i), e))
            return -1;
    return check_parts(l, e);
}

int shardlist_parse(struct shardlist *l, const void *text, size_t n, struct err *e)
{
    *l = (struct shardlist){.is_file = true};
    if (n > MOST_BYTES)
        return err_set(e, "too large for a list of shards (%zu bytes)", n);
    json_t *doc = jsondoc_read(text, n, e);
    int rc = doc ? read_document(l, doc, e) : -1;
    json_decref(doc);
    if (rc)
        shardlist_release(l);
    return rc;
}

static int read_list(struct shardlist *l, const char *path, struct err *e)
{
    struct file_map map;
    if (file_map(&map, path, e))
        return -1;
    int rc = shardlist_parse(l, map.data ? (const void *)map.data : "", map.size, e);
    file_unmap(&map);
    return rc ? err_at(e, path, e) : 0;
}

/* A folder without a list. */
static int imply_list(struct shardlist *l, struct err *e)
{
    return shardlist_add(l, "train.shard", SHARDLIST_TRAIN, NULL, 0, e) ||
                   shardlist_add(l, "valid.shard", SHARDLIST_VALID, NULL, 0, e)
               ? -1
               : 0;
}

static char *list_path(const char *folder, struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, list_name) >= 0)
        return path;
    err_memory(e, "%s: out of memory", folder);
    return NULL;
}

int shardlist_read(struct shardlist *l, const char *folder, struct err *e)
{
    char *path = list_path(folder, e);
    *l = (struct shardlist){0};
    if (!path)
        return -1;
    bool missing = access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
    int rc = missing ? imply_list(l, e) : read_list(l, path, e);
    free(path);
    if (rc)
        shardlist_release(l);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Names need no escapes: rule 3. */
static char *document(const struct shardlist *l, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);
    if (!out)
        return NULL;
    fprintf(out, "{\"version\": %d,\n \"vocab_fingerprint\": \"%016" PRIx64 "\",\n \"shards\": [",
            SHARDLIST_VERSION, l->vocab_fingerprint);
    for (size_t i = 0; i < l->n; i++) {
        const struct shardlist_item *item = &l->items[i];
        fprintf(out, "%s\n  {\"file\": \"%s\", \"split\": \"%s\"", i ? "," : "", item->file,
                shardlist_split_names[item->split]);
        if (item->part[0])
            fprintf(out, ", \"part\": \"%s\"", item->part);
        fprintf(out, ", \"fingerprint\": \"%016" PRIx64 "\"}", item->fingerprint);
    }
    fputs("\n ]}\n", out);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

int shardlist_save(const struct shardlist *l, const char *folder, struct file_set *set,
                   struct err *e)
{
    struct file_out out = {.fd = -1};
    size_t n;
    char *path = list_path(folder, e);
    if (!path)
        return -1;
    char *text = document(l, &n);
    int rc = text ? 0 : err_memory(e, "%s: out of memory", path);
    if (rc == 0)
        rc = file_out_open(&out, path, e);
    if (rc == 0)
        rc = file_out_write(&out, text, n, e);
    rc = rc == 0 ? file_set_take(set, &out, e) : -1;
    file_out_abort(&out);
    free(text);
    free(path);
    return rc;
}
