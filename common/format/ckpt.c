#include "format/ckpt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/ckpt_meta.h"

enum { MAX_NAME = 64, DEFAULT_SEQ_LEN = 256 };

static const char *const prefixes[3] = {"", "adam_m.", "adam_v."};

/* Fills *t and `name` with tensor i of a set: the weights (0) or a moment (1, 2). */
static void set_tensor(const struct dims *d, size_t set, size_t i, struct tensor *t,
                       char name[MAX_NAME])
{
    dims_tensor(d, i, t);
    snprintf(name, MAX_NAME, "%s%s", prefixes[set], t->name);
}

/* Writes the tensors of up to three parameter arrays: weights, then moments. */
static int save(const char *path, const struct dims *d, const float *const arrays[3],
                size_t n_arrays, const struct ckpt_meta *meta, struct file_set *set, struct err *e)
{
    size_t n = dims_n_tensors(d);
    struct st_tensor *tensors = calloc(3 * n, sizeof *tensors);
    char(*names)[MAX_NAME] = calloc(3 * n, sizeof *names);
    int rc = -1;
    if (!tensors || !names) {
        err_memory(e, "%s: out of memory", path);
        goto out;
    }
    for (size_t i = 0; i < n_arrays * n; i++) {
        struct tensor t;
        set_tensor(d, i / n, i % n, &t, names[i]);
        tensors[i] = (struct st_tensor){.name = names[i],
                                        .type = ST_F32,
                                        .rank = t.rank,
                                        .shape = {t.shape[0], t.shape[1], t.shape[2]},
                                        .data = arrays[i / n] + t.offset,
                                        .n_bytes = t.n * sizeof(float)};
    }
    rc = safetensors_write(path, tensors, n_arrays * n, meta->items, meta->n, set, e);
out:
    free(tensors);
    free(names);
    return rc;
}

int ckpt_save(const char *path, const struct dims *d, const float *params, const float *m,
              const float *v, const struct ckpt_state *state, struct err *e)
{
    struct ckpt_meta *meta = calloc(1, sizeof *meta);
    if (!meta)
        return err_memory(e, "%s: out of memory", path);
    ckpt_meta_dims(meta, d);
    ckpt_meta_state(meta, state);
    int rc = save(path, d, (const float *const[3]){params, m, v}, 3, meta, NULL, e);
    free(meta);
    return rc;
}

int ckpt_check_room(const char *dir, const struct dims *d, struct err *e)
{
    enum { ENTRY_BYTES = 256, META_BYTES = 8192 }; /* of the header, at most */
    char *path;
    struct file_out out;
    uint64_t n_bytes = META_BYTES;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        n_bytes += ARRAY_LEN(prefixes) * (t.n * sizeof(float) + ENTRY_BYTES);
    }
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
    ckpt_meta_dims(meta, d);
    ckpt_meta_text(meta, "weights", "ternary");
    if (vocab_fingerprint)
        ckpt_meta_u64(meta, "vocab_fingerprint", vocab_fingerprint);
    int rc = save(path, d, (const float *const[3]){params}, 1, meta, set, e);
    free(meta);
    return rc;
}

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
    return 0;
}

static bool all_finite(const struct st_tensor *t)
{
    const unsigned char *p = t->data;
    uint32_t worst = 0;
    for (uint64_t i = 0; i < t->n_bytes; i += sizeof(float))
        worst = MAX(worst, le_get32(p + i) & 0x7fffffff);
    return worst < 0x7f800000;
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
    if (!all_finite(t))
        return err_set(e, "%s: tensor '%s' holds a number that is not finite", path, t->name);
    return 0;
}

/* Checks a set of tensors, which is whole, or (moments only) missing altogether. */
static int check_set(const struct ckpt *c, size_t set, const char *path, bool *present,
                     struct err *e)
{
    size_t n = dims_n_tensors(&c->dims);
    size_t n_found = 0;
    char name[MAX_NAME];
    char missing[MAX_NAME] = "";
    struct tensor expected;
    for (size_t i = 0; i < n; i++) {
        set_tensor(&c->dims, set, i, &expected, name);
        const struct st_tensor *t = safetensors_find(&c->file, name);
        if (t && check_tensor(t, &expected, path, e))
            return -1;
        if (!t)
            memcpy(missing, name, sizeof missing);
        n_found += t != NULL;
    }
    *present = n_found == n;
    if (n_found == n || (n_found == 0 && set > 0))
        return 0;
    return err_set(e, "%s: tensor '%s' is missing", path, missing);
}

static int check(struct ckpt *c, const char *path, struct err *e)
{
    bool has_weights;
    bool has_m;
    bool has_v;
    if (ckpt_meta_read_state(&c->file, &c->state, &c->has_state, path, e) ||
        read_dims(c, path, e) || check_set(c, 0, path, &has_weights, e) ||
        check_set(c, 1, path, &has_m, e) || check_set(c, 2, path, &has_v, e))
        return -1;
    if (has_m != has_v)
        return err_set(e, "%s: holds one AdamW moment without the other", path);
    c->has_moments = has_m;
    const char *weights = safetensors_meta(&c->file, "weights");
    c->ternary = weights && strcmp(weights, "ternary") == 0;
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

/* Copies one set of tensors; the gaps between them become zero. */
static void read_set(const struct ckpt *c, size_t set, float *out)
{
    memset(out, 0, dims_n_floats(&c->dims) * sizeof *out);
    for (size_t i = 0; i < dims_n_tensors(&c->dims); i++) {
        struct tensor t;
        char name[MAX_NAME];
        set_tensor(&c->dims, set, i, &t, name);
        memcpy(out + t.offset, safetensors_find(&c->file, name)->data, t.n * sizeof *out);
    }
}

int ckpt_read(const struct ckpt *c, float *params, float *m, float *v, struct err *e)
{
    if ((m || v) && !c->has_moments)
        return err_set(e, "the checkpoint holds no AdamW moments");
    read_set(c, 0, params);
    if (m)
        read_set(c, 1, m);
    if (v)
        read_set(c, 2, v);
    return 0;
}

void ckpt_close(struct ckpt *c)
{
    safetensors_close(&c->file);
    *c = (struct ckpt){0};
}
