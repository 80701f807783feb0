#include "format/ckpt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/ckpt_config.h"
#include "format/ckpt_meta.h"

enum { MAX_NAME = 96, DEFAULT_SEQ_LEN = 256 };

/* Under what name an array (NULL: the weight itself) of weight t stands in the file. */
static void name_of(char name[MAX_NAME], const char *array, const struct tensor *t)
{
    snprintf(name, MAX_NAME, "%s%s%s", array ? array : "", array ? "." : "", t->name);
}

static bool all_finite(const void *data, uint64_t n_bytes)
{
    const unsigned char *p = data;
    uint32_t worst = 0;
    for (uint64_t i = 0; i < n_bytes; i += sizeof(float))
        worst = MAX(worst, le_get32(p + i) & 0x7fffffff);
    return worst < 0x7f800000;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Tensors to be written, with their names. */
struct list {
    struct st_tensor *tensors;
    char (*names)[MAX_NAME];
    size_t n;
};

static void append(struct list *l, const char *array, const struct tensor *t, const float *data)
{
    char *name = l->names[l->n];
    name_of(name, array, t);
    l->tensors[l->n++] = (struct st_tensor){.name = name,
                                            .type = ST_F32,
                                            .rank = t->rank,
                                            .shape = {t->shape[0], t->shape[1], t->shape[2]},
                                            .data = data,
                                            .n_bytes = t->n * sizeof(float)};
}

/* Writes weights and, unless NULL, what the optimiser keeps. */
static int save(const char *path, const struct dims *d, const float *params,
                const struct ckpt_optim *o, const struct ckpt_meta *meta, struct file_set *set,
                struct err *e)
{
    size_t n_arrays = o ? o->n_arrays : 0;
    size_t n = dims_n_tensors(d) + n_arrays;
    struct list l = {calloc(n, sizeof *l.tensors), calloc(n, sizeof *l.names), 0};
    struct tensor t;
    int rc = -1;
    if (!l.tensors || !l.names) {
        err_memory(e, "%s: out of memory", path);
        goto out;
    }
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        dims_tensor(d, i, &t);
        append(&l, NULL, &t, params + t.offset);
    }
    for (size_t i = 0; i < n_arrays; i++) {
        dims_tensor(d, o->arrays[i].tensor, &t);
        append(&l, o->arrays[i].name, &t, o->arrays[i].data);
    }
    rc = safetensors_write(path, l.tensors, l.n, meta->items, meta->n, set, e);
out:
    free(l.tensors);
    free(l.names);
    return rc;
}

int ckpt_save(const char *path, const struct dims *d, const float *params,
              const struct ckpt_optim *optim, const struct ckpt_state *state, struct err *e)
{
    struct ckpt_meta *meta = calloc(1, sizeof *meta);
    if (!meta)
        return err_memory(e, "%s: out of memory", path);
    ckpt_meta_dims(meta, d, state);
    ckpt_meta_state(meta, state);
    ckpt_meta_optim(meta, optim);
    int rc = save(path, d, params, optim, meta, NULL, e);
    free(meta);
    return rc;
}

int ckpt_check_finite(const struct dims *d, const float *params, const struct ckpt_optim *optim,
                      struct err *e)
{
    size_t n = dims_n_tensors(d);
    for (size_t i = 0; i < n + optim->n_arrays; i++) {
        const struct ckpt_array *array = i < n ? NULL : &optim->arrays[i - n];
        struct tensor t;
        char name[MAX_NAME];
        dims_tensor(d, array ? array->tensor : i, &t);
        if (all_finite(array ? array->data : params + t.offset, t.n * sizeof(float)))
            continue;
        name_of(name, array ? array->name : NULL, &t);
        return err_set(e, "tensor '%s' holds a number that is not finite", name);
    }
    return 0;
}

/* Of a checkpoint, at most. */
static uint64_t bytes_of(const struct dims *d, const struct ckpt_optim *o)
{
    enum { ENTRY_BYTES = 256, META_BYTES = 8192 };
    size_t n = dims_n_tensors(d);
    uint64_t n_bytes = META_BYTES;
    struct tensor t;
    for (size_t i = 0; i < n + o->n_arrays; i++) {
        dims_tensor(d, i < n ? i : o->arrays[i - n].tensor, &t);
        n_bytes += t.n * sizeof(float) + ENTRY_BYTES;
    }
    return n_bytes;
}

int ckpt_check_room(const char *dir, const struct dims *d, const struct ckpt_optim *optim,
                    struct err *e)
{
    char *path;
    struct file_out out;
    uint64_t n_bytes = bytes_of(d, optim);
    if (asprintf(&path, "%s/step.safetensors", dir) < 0)
        return err_memory(e, "%s: out of memory", dir);
    int rc = file_out_open(&out, path, e);
    if (rc == 0 && file_out_reserve(&out, n_bytes, e))
        rc = err_system(e, "%s: no room for a checkpoint of %.1f MB (%s)", dir,
                        (double)n_bytes / 1e6, strerror(errno));
    file_out_abort(&out);
    free(path);
    return rc;
}

int ckpt_save_weights(const char *path, const struct dims *d, const float *params,
                      uint64_t vocab_fingerprint, struct file_set *set, struct err *e)
{
    struct ckpt_meta *meta = calloc(1, sizeof *meta);
    if (!meta)
        return err_memory(e, "%s: out of memory", path);
    ckpt_meta_dims(meta, d, NULL);
    ckpt_meta_text(meta, "weights", "ternary");
    if (vocab_fingerprint)
        ckpt_meta_u64(meta, "vocab_fingerprint", vocab_fingerprint);
    int rc = save(path, d, params, NULL, meta, set, e);
    free(meta);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* One dimension of a named tensor, 0 if there is no such tensor. */
static int shape_hint(const struct ckpt *c, const char *name, int axis)
{
    const struct st_tensor *t = safetensors_find(&c->file, name);
    return t && axis < t->rank && t->shape[axis] <= INT32_MAX ? (int)t->shape[axis] : 0;
}

static int count_blocks(const struct ckpt *c)
{
    char name[MAX_NAME];
    for (int n = 0; n <= DIMS_MAX_BLOCKS; n++) {
        snprintf(name, sizeof name, "blocks.%d.norm1.scale", n);
        if (!safetensors_find(&c->file, name))
            return n;
    }
    return DIMS_MAX_BLOCKS + 1;
}

static bool has_attention(const struct ckpt *c)
{
    char name[MAX_NAME];
    for (int l = 0; l < c->dims.L; l++) {
        snprintf(name, sizeof name, "blocks.%d.mixer.query_key.weight", l);
        if (safetensors_find(&c->file, name))
            return true;
    }
    return false;
}

static int read_dims(struct ckpt *c, const char *path, struct err *e)
{
    if (!safetensors_find(&c->file, "embedding.weight"))
        return err_set(e, "%s: holds no Bolt model (tensor 'embedding.weight' is missing)", path);
    int n_blocks = count_blocks(c);
    c->dims = (struct dims){.V = shape_hint(c, "embedding.weight", 0),
                            .D = shape_hint(c, "embedding.weight", 1),
                            .H = shape_hint(c, "blocks.0.ffn.W_gate.weight", 0),
                            .K = shape_hint(c, "blocks.0.mixer.conv.weight", 2),
                            .L = n_blocks,
                            .T = DEFAULT_SEQ_LEN};
    if (ckpt_meta_read_dims(&c->file, &c->dims, path, e))
        return -1;
    if (n_blocks != c->dims.L)
        return err_set(e, "%s: wrong number of blocks (found %d, expected %d by its metadata)",
                       path, n_blocks, c->dims.L);
    const char *weights = safetensors_meta(&c->file, "weights");
    c->ternary = weights && strcmp(weights, "ternary") == 0;
    if (!safetensors_meta(&c->file, "dilation") &&
        ckpt_config_read(path, &c->dims, &c->ternary, e)) /* not known from the shapes */
        return -1;
    if (dims_is_v4(&c->dims) && has_attention(c))
        return err_set(e, "%s: has attention, of which its metadata tell nothing ('mixers')", path);
    return 0;
}

static int check_tensor(const struct st_tensor *t, const struct tensor *expected, const char *path,
                        struct err *e)
{
    if (t->type != ST_F32)
        return err_set(e, "%s: tensor '%s' is not F32", path, t->name);
    bool same = t->rank == expected->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == expected->shape[i];
    if (!same)
        return err_set(e, "%s: tensor '%s' has a wrong shape (expected %zu x %zu x %zu)", path,
                       t->name, expected->shape[0], expected->shape[1], expected->shape[2]);
    if (!all_finite(t->data, t->n_bytes))
        return err_set(e, "%s: tensor '%s' holds a number that is not finite", path, t->name);
    return 0;
}

/* Checks an array of so many weights (NULL: the weights themselves), where it has them. Returns how
 * many there are, -1 after an error; *missing is the name of one that is not there. */
static int check_array(const struct ckpt *c, const char *array, const char *path,
                       char missing[MAX_NAME], struct err *e)
{
    int n_found = 0;
    char name[MAX_NAME];
    struct tensor expected;
    for (size_t i = 0; i < dims_n_tensors(&c->dims); i++) {
        dims_tensor(&c->dims, i, &expected);
        name_of(name, array, &expected);
        const struct st_tensor *t = safetensors_find(&c->file, name);
        if (t && check_tensor(t, &expected, path, e))
            return -1;
        if (t)
            n_found++;
        else
            memcpy(missing, name, sizeof name);
    }
    return n_found;
}

/* Other programs write the output head too, which is the embedding. */
static int check_head(const struct ckpt *c, const char *path, struct err *e)
{
    const struct st_tensor *head = safetensors_find(&c->file, "head.weight");
    const struct st_tensor *embed = safetensors_find(&c->file, "embedding.weight");
    if (!head ||
        (head->n_bytes == embed->n_bytes && memcmp(head->data, embed->data, embed->n_bytes) == 0))
        return 0;
    return err_set(e,
                   "%s: tensor 'head.weight' is not the embedding: a head of its own is not "
                   "computed",
                   path);
}

static int check_weights(const struct ckpt *c, const char *path, struct err *e)
{
    char missing[MAX_NAME];
    int n = check_array(c, NULL, path, missing, e);
    if (n >= 0 && (size_t)n < dims_n_tensors(&c->dims))
        return err_set(e, "%s: tensor '%s' is missing", path, missing);
    return n < 0 ? -1 : check_head(c, path, e);
}

/* The arrays that the metadata name; 0.1.0 named none, and kept AdamW's two moments or nothing. */
static int check_optim(struct ckpt *c, const char *path, struct err *e)
{
    struct ckpt_meta_arrays list;
    int n_tensors = (int)dims_n_tensors(&c->dims);
    if (ckpt_meta_read_arrays(&c->file, n_tensors, &list, path, e))
        return -1;
    for (size_t i = 0; i < list.n; i++) {
        char missing[MAX_NAME];
        int n = check_array(c, list.name[i], path, missing, e);
        if (n < 0)
            return -1;
        if (n == 0 && list.guessed)
            continue;
        if (n < list.n_tensors[i] && list.n_tensors[i] == n_tensors)
            return err_set(e, "%s: tensor '%s' is missing", path, missing);
        if (n != list.n_tensors[i])
            return err_set(e, "%s: wrong number of tensors '%s.…' (found %d, expected %d)", path,
                           list.name[i], n, list.n_tensors[i]);
        memcpy(c->arrays[c->n_arrays++], list.name[i], sizeof list.name[i]);
    }
    if (list.guessed && c->n_arrays == 1)
        return err_set(e, "%s: holds one AdamW moment without the other", path);
    return 0;
}

static int check(struct ckpt *c, const char *path, struct err *e)
{
    if (ckpt_meta_read_state(&c->file, &c->state, &c->has_state, path, e) ||
        read_dims(c, path, e) || check_weights(c, path, e) || check_optim(c, path, e))
        return -1;
    return 0;
}

int ckpt_open(struct ckpt *c, const char *path, struct err *e)
{
    *c = (struct ckpt){0};
    if (safetensors_open(&c->file, path, e))
        return -1;
    if (check(c, path, e)) {
        ckpt_close(c);
        return -1;
    }
    return 0;
}

void ckpt_read(const struct ckpt *c, float *params)
{
    memset(params, 0, dims_n_floats(&c->dims) * sizeof *params);
    for (size_t i = 0; i < dims_n_tensors(&c->dims); i++) {
        struct tensor t;
        dims_tensor(&c->dims, i, &t);
        memcpy(params + t.offset, safetensors_find(&c->file, t.name)->data, t.n * sizeof *params);
    }
}

int ckpt_read_array(const struct ckpt *c, const char *name, size_t tensor, float *out,
                    struct err *e)
{
    struct tensor t;
    char full[MAX_NAME];
    bool checked = false;
    for (size_t i = 0; i < c->n_arrays; i++)
        checked |= strcmp(c->arrays[i], name) == 0;
    dims_tensor(&c->dims, tensor, &t);
    name_of(full, name, &t);
    const struct st_tensor *s = checked ? safetensors_find(&c->file, full) : NULL;
    if (!s)
        return err_set(e, "tensor '%s' is missing", full);
    memcpy(out, s->data, t.n * sizeof *out);
    return 0;
}

int ckpt_read_number(const struct ckpt *c, const char *key, double *out, struct err *e)
{
    const char *text = safetensors_meta(&c->file, key);
    if (!text)
        return err_set(e, "metadata lacks '%s'", key);
    if (!ckpt_meta_real(text, out))
        return err_set(e, "metadata '%s' has a bad value '%.40s'", key, text);
    return 0;
}

bool ckpt_next_number(const struct ckpt *c, size_t *at, struct ckpt_number *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    while (*at < c->file.n_meta) {
        const struct st_meta *m = &c->file.meta[(*at)++];
        out->key = m->key;
        if (!m->key[strspn(m->key, letters)] && !ckpt_meta_is_named(m->key) &&
            ckpt_meta_real(m->value, &out->value))
            return true;
    }
    return false;
}

void ckpt_close(struct ckpt *c)
{
    safetensors_close(&c->file);
    *c = (struct ckpt){0};
}
