#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "model/tern.h"

enum { STORAGE_ALIGN = 64 };

const char *const model_math_names[4] = {"int8", "exact", "f32", NULL};

const float **model_floats(struct model *m, enum tensor_kind kind, int block)
{
    switch (kind) {
    case TENSOR_NORM1:
        return &m->block[block].norm1;
    case TENSOR_TAPS:
        return &m->block[block].taps;
    case TENSOR_DISTANCE:
        return &m->block[block].distance;
    case TENSOR_NORM2:
        return &m->block[block].norm2;
    case TENSOR_FINAL_NORM:
        return &m->final_norm;
    default:
        return NULL;
    }
}

struct model_tern *model_ternary(struct model *m, enum tensor_kind kind, int block)
{
    switch (kind) {
    case TENSOR_MIXER_UP:
        return &m->block[block].mixer_up;
    case TENSOR_QUERY_KEY:
        return &m->block[block].query_key;
    case TENSOR_MIXER_DOWN:
        return &m->block[block].mixer_down;
    case TENSOR_FFN_GATE:
        return &m->block[block].ffn_gate;
    case TENSOR_FFN_UP:
        return &m->block[block].ffn_up;
    case TENSOR_FFN_DOWN:
        return &m->block[block].ffn_down;
    default:
        return NULL;
    }
}

void model_embed_row(const struct model *m, size_t id, float *out)
{
    const struct model_embed *t = &m->embed;
    size_t D = (size_t)m->dims.D;
    const unsigned char *row = (const unsigned char *)t->data + id * D * number_bytes(t->type);
    number_read(t->type, row, t->row_scales ? t->row_scales[id] : 1, D, out);
}

/* Bytes a tensor takes in the storage of a model. */
static size_t stored_bytes(const struct tensor *t)
{
    size_t n =
        t->form == TENSOR_TERNARY ? t->shape[0] * DIV_UP(t->shape[1], 4) : t->n * sizeof(float);
    return ALIGN_UP(n, STORAGE_ALIGN);
}

static int store_ternary(struct model_tern *out, const struct tensor *t, const float *w,
                         bool ternary, const struct kern *k, uint8_t *codes, struct err *e)
{
    *out = (struct model_tern){.codes = codes, .rows = t->shape[0], .cols = t->shape[1]};
    if (ternary) {
        if (!tern_pack_exact(w, out->rows, out->cols, &out->alpha, codes))
            return err_set(e,
                           "tensor '%s' is marked ternary but holds other values than 0 and "
                           "one magnitude",
                           t->name);
        return 0;
    }
    out->alpha = tern_alpha(k, w, t->n);
    tern_pack(w, out->rows, out->cols, out->alpha, codes);
    return 0;
}

int model_from_params(struct model *m, const struct dims *d, const float *params, bool ternary,
                      const struct kern *k, struct err *e)
{
    *m = (struct model){.dims = *d};
    struct tensor t;
    size_t size = 0;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        dims_tensor(d, i, &t);
        size += stored_bytes(&t);
    }
    unsigned char *p = aligned_alloc(STORAGE_ALIGN, size);
    if (!p)
        return err_memory(e, "out of memory for a model of %zu bytes", size);
    m->storage = p;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        dims_tensor(d, i, &t);
        const float *w = params + t.offset;
        if (t.form == TENSOR_TERNARY) {
            struct model_tern *out = model_ternary(m, t.kind, t.block);
            if (store_ternary(out, &t, w, ternary, k, p, e)) {
                model_release(m);
                return -1;
            }
        } else {
            const float *floats = memcpy(p, w, t.n * sizeof *w);
            if (t.kind == TENSOR_EMBED)
                m->embed = (struct model_embed){.type = NUMBER_F32, .data = floats};
            else
                *model_floats(m, t.kind, t.block) = floats;
        }
        p += stored_bytes(&t);
    }
    return 0;
}

void model_to_params(const struct model *m, float *params)
{
    struct model copy = *m; /* the accessors take a model that may be changed */
    memset(params, 0, dims_n_floats(&m->dims) * sizeof *params);
    for (size_t i = 0; i < dims_n_tensors(&m->dims); i++) {
        struct tensor t;
        dims_tensor(&m->dims, i, &t);
        if (t.kind == TENSOR_EMBED) {
            for (size_t id = 0; id < t.shape[0]; id++)
                model_embed_row(m, id, params + t.offset + id * t.shape[1]);
        } else if (t.form == TENSOR_TERNARY) {
            const struct model_tern *w = model_ternary(&copy, t.kind, t.block);
            tern_unpack(w->codes, w->rows, w->cols, w->alpha, params + t.offset);
        } else {
            const float *w = *model_floats(&copy, t.kind, t.block);
            memcpy(params + t.offset, w, t.n * sizeof *w);
        }
    }
}

void model_release(struct model *m)
{
    free(m->storage);
    *m = (struct model){0};
}
