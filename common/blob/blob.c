#include "blob/blob.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "blob/blob_layout.h"
#include "blob/blob_vocab.h"
#include "base/number.h"

/* One entry of the section table. */
struct section {
    uint32_t type;
    uint32_t index;
    uint64_t at;
    uint64_t n_bytes;
    uint32_t encoding;
    float alpha;
};

/* What the checks share: the file, and where the next section has to begin. */
struct reader {
    struct blob *blob;
    const char *path;
    const unsigned char *data;
    size_t size;
    size_t n_sections;
    size_t next;  /* number of the next section */
    uint64_t end; /* of the section before it */
};

/* Rules 1 to 6. */
static int check_header(struct reader *r, struct err *e)
{
    const unsigned char *h = r->data;
    if (r->size < BLOB_HEADER_BYTES)
        return err_set(e, "%s: too short for a model blob (found %zu bytes, expected at least %d)",
                       r->path, r->size, BLOB_HEADER_BYTES);
    if (memcmp(h + BLOB_AT_MAGIC, BLOB_MAGIC, 8))
        return err_set(e, "%s: not a model blob", r->path);
    uint32_t version = le_get32(h + BLOB_AT_VERSION);
    if (version < BLOB_OLDEST || version > BLOB_VERSION)
        return err_set(
            e, "%s: unknown version of the blob format (found %" PRIu32 ", expected %d to %d)",
            r->path, version, BLOB_OLDEST, BLOB_VERSION);
    r->blob->version = version;
    uint64_t check = le_get64(h + BLOB_AT_HEADER_CHECK);
    uint64_t actual = hash64(h, BLOB_AT_HEADER_CHECK);
    if (check != actual)
        return err_set(e, "%s: damaged header (check %016" PRIx64 ", expected %016" PRIx64 ")",
                       r->path, actual, check);
    uint32_t header_bytes = le_get32(h + BLOB_AT_HEADER_BYTES);
    uint32_t entry_bytes = le_get32(h + BLOB_AT_ENTRY_BYTES);
    if (header_bytes != BLOB_HEADER_BYTES || entry_bytes != BLOB_ENTRY_SIZE)
        return err_set(e,
                       "%s: wrong size of the header or of a section entry (found %" PRIu32
                       " and %" PRIu32 ", expected %d and %d)",
                       r->path, header_bytes, entry_bytes, BLOB_HEADER_BYTES, BLOB_ENTRY_SIZE);
    for (size_t i = BLOB_AT_ZERO; i < BLOB_AT_HEADER_CHECK; i++)
        if (h[i])
            return err_set(e, "%s: reserved bytes of the header are not zero", r->path);
    return 0;
}

/* Rules 7 to 9. */
static int check_payload(struct reader *r, struct err *e)
{
    const unsigned char *h = r->data;
    size_t size = r->size;
    uint64_t file_bytes = le_get64(h + BLOB_AT_FILE_BYTES);
    if (file_bytes != size)
        return err_set(e,
                       "%s: wrong size, perhaps truncated (found %zu bytes, expected %" PRIu64 ")",
                       r->path, size, file_bytes);
    uint64_t expected = le_get64(h + BLOB_AT_PAYLOAD_HASH);
    uint64_t actual = hash64(h + BLOB_HEADER_BYTES, size - BLOB_HEADER_BYTES);
    if (expected != actual)
        return err_set(e, "%s: damaged payload (hash %016" PRIx64 ", expected %016" PRIx64 ")",
                       r->path, actual, expected);
    r->blob->fingerprint = actual;
    uint32_t n = le_get32(h + BLOB_AT_N_SECTIONS);
    if (n < 2 || n > 2 + DIMS_MAX_TENSORS ||
        n * (uint64_t)BLOB_ENTRY_SIZE > size - BLOB_HEADER_BYTES)
        return err_set(e, "%s: impossible number of sections (found %" PRIu32 ")", r->path, n);
    r->n_sections = n;
    r->end = BLOB_HEADER_BYTES + n * (uint64_t)BLOB_ENTRY_SIZE;
    return 0;
}

/* Rules 10 to 12: the next section is of this type and number, and comes right after the last. */
static int next_section(struct reader *r, enum blob_section type, size_t index, struct section *s,
                        struct err *e)
{
    const unsigned char *p = r->data + BLOB_HEADER_BYTES + r->next * BLOB_ENTRY_SIZE;
    if (r->next == r->n_sections)
        return err_set(e, "%s: too few sections (found %zu)", r->path, r->n_sections);
    *s = (struct section){.type = le_get32(p + BLOB_ENTRY_TYPE),
                          .index = le_get32(p + BLOB_ENTRY_INDEX),
                          .at = le_get64(p + BLOB_ENTRY_AT),
                          .n_bytes = le_get64(p + BLOB_ENTRY_BYTES),
                          .encoding = le_get32(p + BLOB_ENTRY_ENCODING)};
    memcpy(&s->alpha, p + BLOB_ENTRY_ALPHA, sizeof s->alpha);
    if (s->type != (uint32_t)type || s->index != index)
        return err_set(e,
                       "%s: section %zu has type %" PRIu32 ", number %" PRIu32
                       " (expected type %d, number %zu)",
                       r->path, r->next, s->type, s->index, (int)type, index);
    uint64_t size = r->size;
    uint64_t expected = ALIGN_UP(r->end, BLOB_ALIGN);
    if (s->at != expected || s->at > size || s->n_bytes > size - s->at)
        return err_set(e,
                       "%s: section %zu stands at %" PRIu64 " with %" PRIu64
                       " bytes (expected at %" PRIu64 ", file ends at %" PRIu64 ")",
                       r->path, r->next, s->at, s->n_bytes, expected, size);
    for (uint64_t i = r->end; i < s->at; i++)
        if (r->data[i])
            return err_set(e, "%s: bytes between sections are not zero", r->path);
    r->end = s->at + s->n_bytes;
    r->next++;
    return 0;
}

static int get_number(const unsigned char *p)
{
    return (int)MIN(le_get32(p), INT32_MAX);
}

/* What version 5 added, from p on. */
static void read_mixers(struct dims *d, const unsigned char *p)
{
    int *const numbers[] = {&d->heads, &d->key_width, &d->window, &d->embed_norm};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++, p += 4)
        *numbers[i] = get_number(p);
    for (int l = 0; l < d->L; l++, p += 4)
        d->mixer[l] = (enum dims_mixer)get_number(p);
}

/* Rules 13 and 14. */
static int read_config(struct reader *r, struct err *e)
{
    struct section s;
    struct err fault;
    struct dims *d = &r->blob->dims;
    if (next_section(r, BLOB_CONFIG, 0, &s, e))
        return -1;
    if (s.n_bytes < BLOB_CONFIG_FIXED)
        return err_set(e, "%s: configuration too short (found %" PRIu64 " bytes)", r->path,
                       s.n_bytes);
    const unsigned char *p = r->data + s.at;
    int *const numbers[] = {&d->V, &d->D, &d->H, &d->K, &d->L, &d->T};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *numbers[i] = get_number(p + 4 * i);
    if (d->L < 1 || d->L > DIMS_MAX_BLOCKS || s.n_bytes != blob_config_bytes(d, r->blob->version))
        return err_set(e, "%s: configuration of %" PRIu64 " bytes does not fit %d blocks", r->path,
                       s.n_bytes, d->L);
    for (int l = 0; l < d->L; l++)
        d->dilation[l] = get_number(p + BLOB_CONFIG_FIXED + 4 * l);
    if (r->blob->version >= BLOB_MIXERS)
        read_mixers(d, p + BLOB_CONFIG_FIXED + 4 * d->L);
    if (dims_check(d, &fault))
        return err_at(e, r->path, &fault);
    if (r->n_sections != 2 + dims_n_tensors(d))
        return err_set(e, "%s: wrong number of sections (found %zu, expected %zu)", r->path,
                       r->n_sections, 2 + dims_n_tensors(d));
    return 0;
}

/* Rules 15 to 19. */
static int read_vocab(struct reader *r, struct err *e)
{
    struct section s;
    if (next_section(r, BLOB_VOCAB, 0, &s, e))
        return -1;
    return blob_vocab_read(r->blob, r->data + s.at, (size_t)s.n_bytes, r->path, e);
}

/* Rule 23: no code 3, and pad codes 1. */
static bool codes_valid(const unsigned char *p, size_t rows, size_t cols)
{
    size_t row_bytes = blob_row_bytes(cols);
    size_t n_bytes = rows * row_bytes;
    uint64_t bad = 0;
    size_t i = 0;
    for (; i + 8 <= n_bytes; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        bad |= word & word >> 1 & UINT64_C(0x5555555555555555);
    }
    for (; i < n_bytes; i++)
        bad |= p[i] & p[i] >> 1 & 0x55u;
    unsigned n_last = (unsigned)((cols - 1) % 4 + 1); /* columns in the last byte of a row */
    unsigned pad_mask = n_last == 4 ? 0 : 0xffu << 2 * n_last & 0xff;
    for (size_t r = 1; pad_mask && r <= rows; r++)
        bad |= (p[r * row_bytes - 1] & pad_mask) ^ (0x55 & pad_mask);
    return bad == 0;
}

static bool floats_valid(const float *p, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        ok &= isfinite(p[i]) != 0;
    return ok;
}

/* True if one of n bytes is -128. */
static bool has_lowest(const unsigned char *p, size_t n)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t found = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        found |= word & ~((word & low7) + low7); /* the top bit of a byte that is 0x80 */
    }
    for (; i < n; i++)
        found |= p[i] == 0x80 ? 0x80 : 0;
    return (found & ~low7) != 0;
}

static bool q8_valid(const struct tensor *t, const unsigned char *p)
{
    const float *scales = (const void *)p;
    bool ok = true;
    for (size_t i = 0; i < t->shape[0]; i++)
        ok &= isfinite(scales[i]) && scales[i] >= 0;
    for (size_t i = 4 * t->shape[0]; i < blob_scales_bytes(t); i++)
        ok &= p[i] == 0;
    return ok && !has_lowest(p + blob_scales_bytes(t), t->n);
}

static bool values_valid(const struct tensor *t, enum blob_encoding encoding,
                         const unsigned char *p)
{
    switch (encoding) {
    case BLOB_F32:
        return floats_valid((const void *)p, t->n);
    case BLOB_F16:
        return number_f16_all_finite((const void *)p, t->n);
    case BLOB_Q8:
        return q8_valid(t, p);
    case BLOB_TERNARY:
        return codes_valid(p, t->shape[0], t->shape[1]);
    }
    return false;
}

/* Rules 20 to 23. */
static int read_tensor(struct reader *r, size_t i, struct err *e)
{
    struct section s;
    struct tensor t;
    struct blob_tensor *out = &r->blob->tensors[i];
    dims_tensor(&r->blob->dims, i, &t);
    if (next_section(r, BLOB_TENSOR, i, &s, e))
        return -1;
    bool embed = t.kind == TENSOR_EMBED && s.encoding <= BLOB_Q8;
    if (!embed && s.encoding != (t.form == TENSOR_TERNARY ? BLOB_TERNARY : BLOB_F32))
        return err_set(e, "%s: tensor '%s' has the wrong encoding %" PRIu32, r->path, t.name,
                       s.encoding);
    enum blob_encoding encoding = (enum blob_encoding)s.encoding;
    if (s.n_bytes != blob_tensor_bytes(&t, encoding))
        return err_set(e,
                       "%s: tensor '%s' has a wrong size (found %" PRIu64 " bytes, expected %zu)",
                       r->path, t.name, s.n_bytes, blob_tensor_bytes(&t, encoding));
    if (t.form == TENSOR_TERNARY ? !(isfinite(s.alpha) && s.alpha >= 0) : s.alpha != 0)
        return err_set(e, "%s: tensor '%s' has the impossible scale %g", r->path, t.name,
                       (double)s.alpha);
    const unsigned char *p = r->data + s.at;
    if (!values_valid(&t, encoding, p))
        return err_set(e, "%s: tensor '%s' holds %s", r->path, t.name,
                       t.form == TENSOR_TERNARY ? "an invalid ternary code" : "an invalid number");
    out->alpha = s.alpha;
    out->data = p;
    if (embed)
        r->blob->embed = (enum number_type)s.encoding;
    if (encoding == BLOB_Q8) {
        out->row_scales = (const void *)p;
        out->data = p + blob_scales_bytes(&t);
    }
    return 0;
}

static int read_all(struct reader *r, struct err *e)
{
    struct blob *b = r->blob;
    if (check_header(r, e) || check_payload(r, e) || read_config(r, e) || read_vocab(r, e))
        return -1;
    size_t n = dims_n_tensors(&b->dims);
    b->tensors = calloc(n, sizeof *b->tensors);
    if (!b->tensors)
        return err_memory(e, "%s: out of memory", r->path);
    for (size_t i = 0; i < n; i++)
        if (read_tensor(r, i, e))
            return -1;
    if (r->end != r->size)
        return err_set(e, "%s: data after the last section (found %zu bytes, expected %" PRIu64 ")",
                       r->path, r->size, r->end);
    return 0;
}

int blob_read(struct blob *b, const void *data, size_t size, const char *name, struct err *e)
{
    struct reader r = {.blob = b, .path = name, .data = data, .size = size};
    *b = (struct blob){.data = data, .size = size};
    if (read_all(&r, e)) {
        blob_release(b);
        return -1;
    }
    return 0;
}

void blob_release(struct blob *b)
{
    tokenizer_free(b->tokenizer);
    vocab_release(&b->vocab);
    free(b->tensors);
    *b = (struct blob){0};
}

bool blob_probe(const void *data, size_t n)
{
    return n >= 8 && memcmp(data, BLOB_MAGIC, 8) == 0;
}
