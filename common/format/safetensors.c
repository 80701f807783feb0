#include "format/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "format/jsondoc.h"

enum { MAX_HEADER = 100 << 20, MAX_RANK = 8, DATA_ALIGN = 64, N_HEX = 16 };

/* The metadata that hold the checksums, and how the header's stands in the text of the header. */
static const char data_key[] = "data_xxh3";
static const char header_key[] = "header_xxh3";
static const char header_member[] = "\"header_xxh3\":\"";
static const char no_digits[N_HEX + 1] = "0000000000000000";

static const struct {
    const char *name;
    enum safetensors_type type;
    unsigned n_bytes; /* of one element */
} types[] = {
    {"F32", ST_F32, 4},       {"F16", ST_F16, 2},       {"BF16", ST_BF16, 2},
    {"I32", ST_I32, 4},       {"I64", ST_I64, 8},       {"U8", ST_U8, 1},
    {"F64", ST_OTHER, 8},     {"I16", ST_OTHER, 2},     {"I8", ST_OTHER, 1},
    {"U16", ST_OTHER, 2},     {"U32", ST_OTHER, 4},     {"U64", ST_OTHER, 8},
    {"BOOL", ST_OTHER, 1},    {"C64", ST_OTHER, 8},     {"F8_E4M3", ST_OTHER, 1},
    {"F8_E5M2", ST_OTHER, 1}, {"F8_E8M0", ST_OTHER, 1},
};

/* A size out of the header; false if it is no whole number of at least zero. */
static bool get_size(const json_t *j, uint64_t *out)
{
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return false;
    *out = (uint64_t)json_integer_value(j);
    return true;
}

static int read_type(struct st_tensor *t, const json_t *entry, const char *path, size_t *element,
                     struct err *e)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name)
        return err_set(e, "%s: tensor '%.64s' has no dtype", path, t->name);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(name, types[i].name) == 0) {
            t->type = types[i].type;
            *element = types[i].n_bytes;
            return 0;
        }
    }
    return err_set(e, "%s: tensor '%.64s' has the unknown dtype '%.16s'", path, t->name, name);
}

/* Reads the shape; *n_bytes gets the bytes it asks for. */
static int read_shape(struct st_tensor *t, const json_t *entry, const char *path, size_t element,
                      size_t *n_bytes, struct err *e)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return err_set(e, "%s: tensor '%.64s' has no shape", path, t->name);
    if (json_array_size(shape) > MAX_RANK)
        return err_set(e,
                       "%s: tensor '%.64s' has too many dimensions (found %zu, expected up to "
                       "%d)",
                       path, t->name, json_array_size(shape), MAX_RANK);
    t->rank = (int)json_array_size(shape);
    *n_bytes = element;
    for (int i = 0; i < t->rank; i++) {
        if (!get_size(json_array_get(shape, (size_t)i), &t->shape[i]) ||
            !size_mul(*n_bytes, t->shape[i], n_bytes))
            return err_set(e, "%s: tensor '%.64s' has an impossible shape", path, t->name);
    }
    return 0;
}

static int read_tensor(struct st_tensor *t, const char *name, const json_t *entry, const char *path,
                       const unsigned char *data, size_t n_data, struct err *e)
{
    size_t element = 0;
    size_t n_bytes = 0;
    *t = (struct st_tensor){.name = name};
    if (!json_is_object(entry))
        return err_set(e, "%s: the entry of tensor '%.64s' is not an object", path, name);
    if (read_type(t, entry, path, &element, e) || read_shape(t, entry, path, element, &n_bytes, e))
        return -1;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t begin;
    uint64_t end;
    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &begin) ||
        !get_size(json_array_get(offsets, 1), &end) || begin > end)
        return err_set(e, "%s: tensor '%.64s' has invalid data_offsets", path, name);
    if (end > n_data)
        return err_set(e,
                       "%s: tensor '%.64s' reaches beyond the end of the file (data ends at "
                       "%zu, tensor at %llu)",
                       path, name, n_data, (unsigned long long)end);
    t->n_bytes = end - begin;
    if (t->n_bytes != n_bytes)
        return err_set(e, "%s: tensor '%.64s' has %llu bytes (expected %zu by its shape)", path,
                       name, (unsigned long long)t->n_bytes, n_bytes);
    t->data = data + begin;
    return 0;
}

static int read_meta(struct safetensors *s, const json_t *meta, const char *path, struct err *e)
{
    if (!json_is_object(meta))
        return err_set(e, "%s: __metadata__ is not an object", path);
    s->meta = calloc(json_object_size(meta) + 1, sizeof *s->meta);
    if (!s->meta)
        return err_memory(e, "%s: out of memory", path);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)meta, key, value)
    {
        if (!json_is_string(value))
            return err_set(e, "%s: metadata '%.64s' is not a string", path, key);
        if (strcmp(key, data_key) == 0 || strcmp(key, header_key) == 0)
            continue;
        s->meta[s->n_meta++] = (struct st_meta){key, json_string_value(value)};
    }
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct st_tensor *x = a;
    const struct st_tensor *y = b;
    const unsigned char *p = x->data;
    const unsigned char *q = y->data;
    if (p != q)
        return p < q ? -1 : 1;
    return x->n_bytes == y->n_bytes ? strcmp(x->name, y->name) : x->n_bytes < y->n_bytes ? -1 : 1;
}

/* The data of all tensors follow one another from the first byte to the last. */
static int check_layout(struct safetensors *s, const char *path, const unsigned char *data,
                        size_t n_data, struct err *e)
{
    qsort(s->tensors, s->n_tensors, sizeof *s->tensors, by_offset);
    uint64_t at = 0;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct st_tensor *t = &s->tensors[i];
        uint64_t begin = (uint64_t)((const unsigned char *)t->data - data);
        if (begin != at)
            return err_set(e, "%s: tensor '%.64s' %s (found offset %llu, expected %llu)", path,
                           t->name, begin < at ? "overlaps another" : "leaves a gap before it",
                           (unsigned long long)begin, (unsigned long long)at);
        at += t->n_bytes;
    }
    if (at != n_data)
        return err_set(e, "%s: wrong amount of data (found %zu bytes, expected %llu)", path, n_data,
                       (unsigned long long)at);
    return 0;
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* XXH3 of the file up to its data, the digits of that very checksum counted as zeroes. `member` is
 * where header_member stands; *ok is false when out of memory. */
static uint64_t hash_header(const unsigned char *file, size_t n, const unsigned char *member,
                            bool *ok)
{
    struct hash_state h;
    const unsigned char *digits = member + strlen(header_member);
    *ok = hash_init(&h) == 0;
    if (!*ok)
        return 0;
    hash_update(&h, file, (size_t)(digits - file));
    hash_update(&h, no_digits, N_HEX);
    hash_update(&h, digits + N_HEX, (size_t)(file + n - digits) - N_HEX);
    uint64_t sum = hash_digest(&h);
    hash_release(&h);
    return sum;
}

static void put_hex(char digits[N_HEX + 1], uint64_t n)
{
    snprintf(digits, N_HEX + 1, "%016llx", (unsigned long long)n);
}

static int check_sum(const char *what, uint64_t found, const char *expected, const char *path,
                     struct err *e)
{
    char digits[N_HEX + 1];
    put_hex(digits, found);
    if (strcmp(digits, expected) == 0)
        return 0;
    return err_set(e,
                   "%s: damaged, or changed by a program that should have dropped 'data_xxh3' and "
                   "'header_xxh3': the checksum of its %s is wrong (found %s, expected %.32s)",
                   path, what, digits, expected);
}

/* Both checksums, or neither in a file of another program or of an earlier version. n_header counts
 * all bytes before the data. */
static int check_sums(struct safetensors *s, const json_t *root, const char *path, size_t n_header,
                      struct err *e)
{
    const json_t *meta = json_object_get(root, "__metadata__");
    const char *of_data = json_string_value(json_object_get(meta, data_key));
    const char *of_header = json_string_value(json_object_get(meta, header_key));
    if (!of_data && !of_header)
        return 0;
    if (!of_data || !of_header)
        return err_set(e, "%s: damaged: it has one of the checksums '%s' and '%s' alone", path,
                       data_key, header_key);
    /* quotes inside a string are escaped, so this can only be a key */
    const unsigned char *member =
        memmem(s->map.data, n_header, header_member, strlen(header_member));
    bool ok = true;
    if (!member || strlen(of_header) != N_HEX)
        return err_set(e, "%s: damaged: its checksum '%s' is not written as it must be", path,
                       header_key);
    uint64_t sum = hash_header(s->map.data, n_header, member, &ok);
    if (!ok)
        return err_memory(e, "%s: out of memory", path);
    if (check_sum("header", sum, of_header, path, e) ||
        check_sum("data", hash64(s->map.data + n_header, s->map.size - n_header), of_data, path, e))
        return -1;
    s->has_checksums = true;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_header(struct safetensors *s, const char *path, struct err *e)
{
    if (s->map.size < 8)
        return err_set(e, "%s: too short for a safetensors file (found %zu bytes)", path,
                       s->map.size);
    uint64_t n_header = le_get64(s->map.data);
    if (n_header > MAX_HEADER)
        return err_set(e, "%s: not a safetensors file (its header would have %llu bytes)", path,
                       (unsigned long long)n_header);
    if (n_header > s->map.size - 8)
        return err_set(e, "%s: truncated in its header (found %zu bytes, expected at least %llu)",
                       path, s->map.size, (unsigned long long)n_header + 8);
    json_t *root = jsondoc_read(s->map.data + 8, n_header, e);
    s->storage = root;
    if (!root) {
        err_at(e, "its header", e);
        return err_at(e, path, e);
    }
    if (!json_is_object(root))
        return err_set(e, "%s: its header is not a JSON object", path);
    if (check_sums(s, root, path, 8 + (size_t)n_header, e))
        return -1;
    const unsigned char *data = s->map.data + 8 + n_header;
    size_t n_data = s->map.size - 8 - n_header;
    s->tensors = calloc(json_object_size(root) + 1, sizeof *s->tensors);
    if (!s->tensors)
        return err_memory(e, "%s: out of memory", path);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            if (read_meta(s, value, path, e))
                return -1;
        } else if (read_tensor(&s->tensors[s->n_tensors++], key, value, path, data, n_data, e)) {
            return -1;
        }
    }
    return check_layout(s, path, data, n_data, e);
}

int safetensors_open(struct safetensors *s, const char *path, struct err *e)
{
    *s = (struct safetensors){0};
    if (file_map(&s->map, path, e))
        return -1;
    if (read_header(s, path, e)) {
        safetensors_close(s);
        return -1;
    }
    return 0;
}

void safetensors_close(struct safetensors *s)
{
    json_decref(s->storage);
    free(s->tensors);
    free(s->meta);
    file_unmap(&s->map);
    *s = (struct safetensors){0};
}

const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

const char *safetensors_meta(const struct safetensors *s, const char *key)
{
    for (size_t i = 0; i < s->n_meta; i++)
        if (strcmp(s->meta[i].key, key) == 0)
            return s->meta[i].value;
    return NULL;
}

bool safetensors_probe(const void *data, size_t n)
{
    const unsigned char *bytes = data;
    return n > 8 && le_get64(bytes) <= MAX_HEADER && bytes[8] == '{';
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *type_name(enum safetensors_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

/* The header entry of one tensor whose data begin at `begin`; NULL when out of memory. */
static json_t *tensor_entry(const struct st_tensor *t, uint64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", type_name(t->type), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + t->n_bytes));
}

/* The metadata with the checksum of the data, and room for that of the header; NULL when they
 * cannot be made. */
static json_t *make_strings(const struct st_tensor *tensors, size_t n_tensors,
                            const struct st_meta *meta, size_t n_meta)
{
    struct hash_state h;
    char digits[N_HEX + 1];
    if (hash_init(&h))
        return NULL;
    for (size_t i = 0; i < n_tensors; i++)
        hash_update(&h, tensors[i].data, tensors[i].n_bytes);
    put_hex(digits, hash_digest(&h));
    hash_release(&h);
    json_t *strings = json_object();
    int rc = 0;
    for (size_t i = 0; i < n_meta && rc == 0; i++)
        rc = json_object_get(strings, meta[i].key)
                 ? -1
                 : json_object_set_new(strings, meta[i].key, json_string(meta[i].value));
    if (rc || json_object_set_new(strings, data_key, json_string(digits)) ||
        json_object_set_new(strings, header_key, json_string(no_digits))) {
        json_decref(strings);
        return NULL;
    }
    return strings;
}

/* The text of a JSON value, which the caller frees; NULL when out of memory. Measured first:
 * json_dumps leaves a name out, and says nothing, where its buffer cannot grow. */
static char *text_of(const json_t *value)
{
    size_t n = json_dumpb(value, NULL, 0, JSON_COMPACT);
    char *text = n > 0 ? malloc(n + 1) : NULL;
    if (text && json_dumpb(value, text, n, JSON_COMPACT) != n) {
        free(text);
        return NULL;
    }
    if (text)
        text[n] = '\0';
    return text;
}

/* The whole header as JSON text, which the caller frees; NULL when it cannot be made. */
static char *make_header(const struct st_tensor *tensors, size_t n_tensors,
                         const struct st_meta *meta, size_t n_meta)
{
    char *text = NULL;
    uint64_t at = 0;
    json_t *root = json_object();
    if (json_object_set_new(root, "__metadata__", make_strings(tensors, n_tensors, meta, n_meta)))
        goto out;
    for (size_t i = 0; i < n_tensors; i++) {
        if (json_object_get(root, tensors[i].name) ||
            json_object_set_new(root, tensors[i].name, tensor_entry(&tensors[i], at)))
            goto out;
        at += tensors[i].n_bytes;
    }
    text = text_of(root);
out:
    json_decref(root);
    return text;
}

/* What stands before the data: length, text, spaces, with the checksum put in. *n gets its size;
 * the caller frees it, NULL when out of memory. */
static unsigned char *make_head(const char *text, size_t *n)
{
    size_t n_text = strlen(text);
    *n = ALIGN_UP(8 + n_text, DATA_ALIGN);
    unsigned char *head = malloc(*n);
    if (!head)
        return NULL;
    le_put64(head, *n - 8);
    memcpy(head + 8, text, n_text);
    memset(head + 8 + n_text, ' ', *n - 8 - n_text);
    unsigned char *member = memmem(head, *n, header_member, strlen(header_member));
    char digits[N_HEX + 1];
    bool ok;
    put_hex(digits, hash_header(head, *n, member, &ok));
    memcpy(member + strlen(header_member), digits, N_HEX);
    if (!ok) {
        free(head);
        return NULL;
    }
    return head;
}

static int write_all(struct file_out *o, const unsigned char *head, size_t n_head,
                     const struct st_tensor *tensors, size_t n_tensors, struct err *e)
{
    uint64_t n_bytes = n_head;
    for (size_t i = 0; i < n_tensors; i++)
        n_bytes += tensors[i].n_bytes;
    if (file_out_reserve(o, n_bytes, e) || file_out_write(o, head, n_head, e))
        return -1;
    for (size_t i = 0; i < n_tensors; i++)
        if (file_out_write(o, tensors[i].data, tensors[i].n_bytes, e))
            return -1;
    return 0;
}

int safetensors_write(const char *path, const struct st_tensor *tensors, size_t n_tensors,
                      const struct st_meta *meta, size_t n_meta, struct file_set *set,
                      struct err *e)
{
    struct file_out out = {0};
    char *text = make_header(tensors, n_tensors, meta, n_meta);
    size_t n_head = 0;
    unsigned char *head = text ? make_head(text, &n_head) : NULL;
    free(text);
    if (!head)
        return err_set(e,
                       "%s: cannot make its header: a name is used twice or is not UTF-8, or "
                       "memory is short",
                       path);
    int rc = file_out_open(&out, path, e);
    if (rc == 0)
        rc = write_all(&out, head, n_head, tensors, n_tensors, e);
    if (rc == 0)
        rc = file_set_take(set, &out, e);
    else
        file_out_abort(&out);
    free(head);
    return rc;
}
