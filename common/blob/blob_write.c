#include "blob/blob_layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/number.h"
#include "blob/blob_vocab.h"

/* A blob is built whole in memory: the hash in its header covers what follows. */
struct image {
    unsigned char *data;
    size_t size;
    size_t n_sections;
    size_t end; /* of the sections placed so far */
};

static enum blob_encoding encoding_of(const struct tensor *t, enum number_type embed)
{
    if (t->form == TENSOR_TERNARY)
        return BLOB_TERNARY;
    return t->kind == TENSOR_EMBED ? (enum blob_encoding)embed : BLOB_F32;
}

/* The oldest version that can hold both. */
static uint32_t version_of(const struct dims *d, const struct vocab *v)
{
    return dims_is_v4(d) ? blob_vocab_version(v) : BLOB_MIXERS;
}

/* Size of the whole file; sections begin on multiples of 64, the last one ends the file. */
static size_t image_size(const struct dims *d, enum number_type embed, const struct vocab *v,
                         size_t n_sections)
{
    size_t at = BLOB_HEADER_BYTES + BLOB_ENTRY_SIZE * n_sections;
    at = ALIGN_UP(at, BLOB_ALIGN) + blob_config_bytes(d, version_of(d, v));
    at = ALIGN_UP(at, BLOB_ALIGN) + blob_vocab_bytes(v);
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        at = ALIGN_UP(at, BLOB_ALIGN) + blob_tensor_bytes(&t, encoding_of(&t, embed));
    }
    return at;
}

/* Enters the next section into the table; returns where its bytes go. */
static unsigned char *add_section(struct image *image, enum blob_section type, size_t index,
                                  size_t n_bytes, enum blob_encoding encoding, float alpha)
{
    unsigned char *entry = image->data + BLOB_HEADER_BYTES + BLOB_ENTRY_SIZE * image->n_sections++;
    size_t at = ALIGN_UP(image->end, BLOB_ALIGN);
    le_put32(entry + BLOB_ENTRY_TYPE, type);
    le_put32(entry + BLOB_ENTRY_INDEX, (uint32_t)index);
    le_put64(entry + BLOB_ENTRY_AT, at);
    le_put64(entry + BLOB_ENTRY_BYTES, n_bytes);
    le_put32(entry + BLOB_ENTRY_ENCODING, encoding);
    memcpy(entry + BLOB_ENTRY_ALPHA, &alpha, sizeof alpha);
    image->end = at + n_bytes;
    return image->data + at;
}

static void put_config(unsigned char *p, const struct dims *d, uint32_t version)
{
    const int numbers[] = {d->V, d->D, d->H, d->K, d->L, d->T};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        le_put32(p + 4 * i, (uint32_t)numbers[i]);
    for (int l = 0; l < d->L; l++)
        le_put32(p + BLOB_CONFIG_FIXED + 4 * l, (uint32_t)d->dilation[l]);
    if (version < BLOB_MIXERS)
        return;
    const int later[] = {d->heads, d->key_width, d->window, d->embed_norm};
    p += BLOB_CONFIG_FIXED + 4 * d->L;
    for (size_t i = 0; i < ARRAY_LEN(later); i++, p += 4)
        le_put32(p, (uint32_t)later[i]);
    for (int l = 0; l < d->L; l++, p += 4)
        le_put32(p, (uint32_t)d->mixer[l]);
}

static int put_f16(unsigned char *p, const struct tensor *t, const float *w, const char *path,
                   struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        uint16_t half = number_f16(w[i]);
        if (!number_f16_is_finite(half))
            return err_set(e,
                           "%s: tensor '%s' does not fit in f16 (found %g, expected at most "
                           "65504)",
                           path, t->name, (double)w[i]);
        memcpy(p + 2 * i, &half, sizeof half);
    }
    return 0;
}

static void put_q8(unsigned char *p, const struct tensor *t, const float *w)
{
    size_t cols = t->shape[1];
    unsigned char *out = p + blob_scales_bytes(t);
    for (size_t r = 0; r < t->shape[0]; r++) {
        float scale = number_q8(w + r * cols, cols, (signed char *)out + r * cols);
        memcpy(p + 4 * r, &scale, sizeof scale);
    }
}

static int put_tensor(struct image *image, size_t i, const struct tensor *t, enum number_type embed,
                      const struct blob_tensor *source, const char *path, struct err *e)
{
    enum blob_encoding encoding = encoding_of(t, embed);
    size_t n_bytes = blob_tensor_bytes(t, encoding);
    float alpha = t->form == TENSOR_TERNARY ? source->alpha : 0;
    unsigned char *p = add_section(image, BLOB_TENSOR, i, n_bytes, encoding, alpha);
    const float *w = source->data;
    if (!isfinite(alpha))
        return err_set(e, "%s: tensor '%s' has a scale that is not finite", path, t->name);
    if (encoding == BLOB_TERNARY) {
        memcpy(p, source->data, n_bytes);
        return 0;
    }
    for (size_t k = 0; k < t->n; k++)
        if (!isfinite(w[k]))
            return err_set(e, "%s: tensor '%s' holds a number that is not finite", path, t->name);
    if (encoding == BLOB_F16)
        return put_f16(p, t, w, path, e);
    if (encoding == BLOB_Q8)
        put_q8(p, t, w);
    else
        memcpy(p, w, n_bytes);
    return 0;
}

static void put_header(const struct image *image, uint32_t version, uint64_t hash)
{
    unsigned char *h = image->data;
    memcpy(h + BLOB_AT_MAGIC, BLOB_MAGIC, 8);
    le_put32(h + BLOB_AT_VERSION, version);
    le_put32(h + BLOB_AT_HEADER_BYTES, BLOB_HEADER_BYTES);
    le_put64(h + BLOB_AT_FILE_BYTES, image->size);
    le_put64(h + BLOB_AT_PAYLOAD_HASH, hash);
    le_put32(h + BLOB_AT_N_SECTIONS, (uint32_t)image->n_sections);
    le_put32(h + BLOB_AT_ENTRY_BYTES, BLOB_ENTRY_SIZE);
    le_put64(h + BLOB_AT_HEADER_CHECK, hash64(h, BLOB_AT_HEADER_CHECK));
}

static int build(struct image *image, const char *path, const struct dims *d,
                 enum number_type embed, const struct vocab *v, const struct blob_tensor *tensors,
                 struct err *e)
{
    size_t n_tensors = dims_n_tensors(d);
    image->end = BLOB_HEADER_BYTES + BLOB_ENTRY_SIZE * (2 + n_tensors);
    uint32_t version = version_of(d, v);
    size_t config_bytes = blob_config_bytes(d, version);
    put_config(add_section(image, BLOB_CONFIG, 0, config_bytes, BLOB_F32, 0), d, version);
    if (blob_vocab_put(add_section(image, BLOB_VOCAB, 0, blob_vocab_bytes(v), BLOB_F32, 0), v, path,
                       e))
        return -1;
    for (size_t i = 0; i < n_tensors; i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        if (put_tensor(image, i, &t, embed, &tensors[i], path, e))
            return -1;
    }
    return 0;
}

int blob_build(const char *name, const struct dims *d, enum number_type embed,
               const struct vocab *v, const struct blob_tensor *tensors, unsigned char **data,
               size_t *n_bytes, uint64_t *fingerprint, struct err *e)
{
    if (v->n_tokens != (uint32_t)d->V)
        return err_set(e,
                       "%s: the vocabulary has another size than the model (found %u, expected "
                       "%d)",
                       name, (unsigned)v->n_tokens, d->V);
    struct image image = {.size = image_size(d, embed, v, 2 + dims_n_tensors(d))};
    image.data = calloc(1, image.size);
    if (!image.data)
        return err_memory(e, "%s: out of memory (%zu bytes)", name, image.size);
    if (build(&image, name, d, embed, v, tensors, e)) {
        free(image.data);
        return -1;
    }
    uint64_t hash = hash64(image.data + BLOB_HEADER_BYTES, image.size - BLOB_HEADER_BYTES);
    put_header(&image, version_of(d, v), hash);
    if (fingerprint)
        *fingerprint = hash;
    *data = image.data;
    *n_bytes = image.size;
    return 0;
}
