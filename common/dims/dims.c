#include "dims/dims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name; /* %d is the block */
    enum tensor_form form;
} kinds[TENSOR_N_KINDS] = {
    [TENSOR_EMBED] = {"embedding.weight", TENSOR_TABLE},
    [TENSOR_NORM1] = {"blocks.%d.norm1.scale", TENSOR_VECTOR},
    [TENSOR_MIXER_UP] = {"blocks.%d.mixer.up.weight", TENSOR_TERNARY},
    [TENSOR_TAPS] = {"blocks.%d.mixer.conv.weight", TENSOR_VECTOR},
    [TENSOR_QUERY_KEY] = {"blocks.%d.mixer.query_key.weight", TENSOR_TERNARY},
    [TENSOR_DISTANCE] = {"blocks.%d.mixer.distance.bias", TENSOR_VECTOR},
    [TENSOR_MIXER_DOWN] = {"blocks.%d.mixer.down.weight", TENSOR_TERNARY},
    [TENSOR_NORM2] = {"blocks.%d.norm2.scale", TENSOR_VECTOR},
    [TENSOR_FFN_GATE] = {"blocks.%d.ffn.W_gate.weight", TENSOR_TERNARY},
    [TENSOR_FFN_UP] = {"blocks.%d.ffn.W_up.weight", TENSOR_TERNARY},
    [TENSOR_FFN_DOWN] = {"blocks.%d.ffn.W_down.weight", TENSOR_TERNARY},
    [TENSOR_FINAL_NORM] = {"final_norm.scale", TENSOR_VECTOR},
};

const char *const dims_mixer_names[DIMS_N_MIXERS + 1] = {
    [DIMS_CONV] = "conv",
    [DIMS_ATTENTION] = "attention",
};

/* The kinds that only some mixers have. */
enum {
    BIT_TAPS = 1 << TENSOR_TAPS,
    BIT_QUERY_KEY = 1 << TENSOR_QUERY_KEY,
    BIT_DISTANCE = 1 << TENSOR_DISTANCE,
    BITS_OF_SOME = BIT_TAPS | BIT_QUERY_KEY | BIT_DISTANCE
};
static const int bits_of_mixer[DIMS_N_MIXERS] = {
    [DIMS_CONV] = BIT_TAPS,
    [DIMS_ATTENTION] = BIT_QUERY_KEY | BIT_DISTANCE,
};

static int check_range(const char *name, int value, int min, int max, struct err *e)
{
    if (value >= min && value <= max)
        return 0;
    return err_set(e, "%s out of range (found %d, expected %d to %d)", name, value, min, max);
}

static bool has_attention(const struct dims *d)
{
    for (int l = 0; l < d->L; l++)
        if (dims_has(d, TENSOR_QUERY_KEY, l))
            return true;
    return false;
}

static int check_mixers(const struct dims *d, struct err *e)
{
    if (check_range("embedding norm", d->embed_norm, 0, 1, e))
        return -1;
    for (int l = 0; l < d->L; l++) {
        if (check_range("mixer", (int)d->mixer[l], 0, DIMS_N_MIXERS - 1, e))
            return -1;
        if (!dims_has(d, TENSOR_TAPS, l) && d->dilation[l] != 1)
            return err_set(e,
                           "dilation of a block without a convolution (found %d, expected 1 in "
                           "block %d)",
                           d->dilation[l], l);
    }
    bool some = has_attention(d);
    if (check_range("number of heads", d->heads, some, some ? d->D : 0, e) ||
        check_range("key width", d->key_width, some, some ? DIMS_MAX_KEY_WIDTH : 0, e) ||
        check_range("window", d->window, some, some ? DIMS_MAX_WINDOW : 0, e))
        return -1;
    if (some && d->heads * d->key_width > 32768)
        return err_set(e, "too many queries (found %d heads of %d, expected at most 32768 numbers)",
                       d->heads, d->key_width);
    if (some && d->D % d->heads != 0)
        return err_set(e, "the number of heads does not divide the model width (found %d and %d)",
                       d->heads, d->D);
    return 0;
}

int dims_check(const struct dims *d, struct err *e)
{
    if (check_range("vocabulary size", d->V, 5, 65536, e) ||
        check_range("model width", d->D, 1, 8192, e) ||
        check_range("hidden width", d->H, 1, 32768, e) ||
        check_range("kernel size", d->K, 1, 64, e) ||
        check_range("number of blocks", d->L, 1, DIMS_MAX_BLOCKS, e) ||
        check_range("sequence length", d->T, 1, 65536, e))
        return -1;
    for (int l = 0; l < d->L; l++)
        if (check_range("dilation", d->dilation[l], 1, 4096, e))
            return -1;
    return check_mixers(d, e);
}

void dims_small(struct dims *d, int V)
{
    *d = (struct dims){.V = V, .D = 192, .H = 512, .K = 8, .L = 6, .T = 256};
    for (int l = 0; l < DIMS_MAX_BLOCKS; l++)
        d->dilation[l] = 1;
}

void dims_large(struct dims *d, int V)
{
    dims_small(d, V);
    d->D = 384;
    d->H = 896;
    d->L = 8;
    d->T = 512;
}

void dims_swift(struct dims *d, int V)
{
    dims_small(d, V);
    d->embed_norm = true;
    dims_middle_attention(d);
}

void dims_middle_attention(struct dims *d)
{
    int first = MAX(d->L - 2, 0) / 2;
    for (int l = 0; l < d->L; l++)
        d->mixer[l] = l == first || l == first + 1 ? DIMS_ATTENTION : DIMS_CONV;
}

bool dims_has(const struct dims *d, enum tensor_kind kind, int block)
{
    int bit = 1 << kind;
    return !(bit & BITS_OF_SOME) || (bits_of_mixer[d->mixer[block]] & bit);
}

bool dims_is_v4(const struct dims *d)
{
    if (d->embed_norm)
        return false;
    for (int l = 0; l < d->L; l++)
        if (d->mixer[l] != DIMS_CONV)
            return false;
    return true;
}

static size_t block_tensors(const struct dims *d, int block)
{
    size_t n = 0;
    for (int k = TENSOR_NORM1; k <= TENSOR_FFN_DOWN; k++)
        n += dims_has(d, (enum tensor_kind)k, block);
    return n;
}

size_t dims_n_tensors(const struct dims *d)
{
    size_t n = 2;
    for (int l = 0; l < d->L; l++)
        n += block_tensors(d, l);
    return n;
}

size_t dims_shape(const struct dims *d, enum tensor_kind kind, int *rank, size_t shape[3])
{
    size_t D = (size_t)d->D;
    size_t H = (size_t)d->H;
    size_t rows = D;
    size_t cols = D;
    *rank = 2;
    shape[2] = 1;
    switch (kind) {
    case TENSOR_EMBED:
        rows = (size_t)d->V;
        break;
    case TENSOR_MIXER_UP:
        rows = 2 * D;
        break;
    case TENSOR_TAPS:
        *rank = 3;
        cols = 1;
        shape[2] = (size_t)d->K;
        break;
    case TENSOR_QUERY_KEY:
        rows = 2 * (size_t)d->heads * (size_t)d->key_width;
        break;
    case TENSOR_DISTANCE:
        rows = (size_t)d->heads;
        cols = (size_t)d->window;
        break;
    case TENSOR_MIXER_DOWN:
        break;
    case TENSOR_FFN_GATE:
    case TENSOR_FFN_UP:
        rows = H;
        break;
    case TENSOR_FFN_DOWN:
        cols = H;
        break;
    case TENSOR_NORM1:
    case TENSOR_NORM2:
    case TENSOR_FINAL_NORM:
    case TENSOR_N_KINDS:
        *rank = 1;
        cols = 1;
        break;
    }
    shape[0] = rows;
    shape[1] = cols;
    return rows * cols * shape[2];
}

static size_t padded_n(const struct dims *d, enum tensor_kind kind)
{
    int rank;
    size_t shape[3];
    return ALIGN_UP(dims_shape(d, kind, &rank, shape), DIMS_ALIGN);
}

/* Floats of a block's tensors before one of this kind. */
static size_t floats_before(const struct dims *d, int kind, int block)
{
    size_t n = 0;
    for (int k = TENSOR_NORM1; k < kind; k++)
        if (dims_has(d, (enum tensor_kind)k, block))
            n += padded_n(d, (enum tensor_kind)k);
    return n;
}

size_t dims_offset(const struct dims *d, enum tensor_kind kind, int block)
{
    if (kind == TENSOR_EMBED)
        return 0;
    size_t offset = padded_n(d, TENSOR_EMBED);
    int n_blocks = kind == TENSOR_FINAL_NORM ? d->L : block;
    for (int l = 0; l < n_blocks; l++)
        offset += floats_before(d, TENSOR_FINAL_NORM, l);
    return kind == TENSOR_FINAL_NORM ? offset : offset + floats_before(d, (int)kind, block);
}

/* Block and kind of the i-th tensor of the blocks. */
static void find_tensor(const struct dims *d, size_t i, struct tensor *t)
{
    int l = 0;
    for (; i >= block_tensors(d, l); l++)
        i -= block_tensors(d, l);
    t->block = l;
    for (int k = TENSOR_NORM1; k <= TENSOR_FFN_DOWN; k++)
        if (dims_has(d, (enum tensor_kind)k, l) && i-- == 0) {
            t->kind = (enum tensor_kind)k;
            return;
        }
}

void dims_tensor(const struct dims *d, size_t i, struct tensor *t)
{
    *t = (struct tensor){.kind = TENSOR_EMBED, .block = -1};
    if (i + 1 == dims_n_tensors(d))
        t->kind = TENSOR_FINAL_NORM;
    else if (i > 0)
        find_tensor(d, i - 1, t);
    t->form = kinds[t->kind].form;
    t->n_parts = t->kind == TENSOR_MIXER_UP || t->kind == TENSOR_QUERY_KEY ? 2 : 1;
    t->n = dims_shape(d, t->kind, &t->rank, t->shape);
    t->offset = dims_offset(d, t->kind, t->block);
    const char *pattern = kinds[t->kind].name;
    const char *number = strstr(pattern, "%d");
    if (number)
        snprintf(t->name, sizeof t->name, "%.*s%d%s", (int)(number - pattern), pattern, t->block,
                 number + 2);
    else
        snprintf(t->name, sizeof t->name, "%s", pattern);
}

size_t dims_n_floats(const struct dims *d)
{
    return dims_offset(d, TENSOR_FINAL_NORM, 0) + padded_n(d, TENSOR_FINAL_NORM);
}

size_t dims_n_params(const struct dims *d)
{
    size_t n = 0;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        n += t.n;
    }
    return n;
}

size_t dims_reach(const struct dims *d, int block)
{
    size_t taps = (size_t)(d->K - 1) * (size_t)d->dilation[block];
    size_t window = d->window > 0 ? (size_t)d->window - 1 : 0;
    return MAX(dims_has(d, TENSOR_TAPS, block) ? taps : 0,
               dims_has(d, TENSOR_QUERY_KEY, block) ? window : 0);
}

size_t dims_context(const struct dims *d)
{
    size_t n = 0;
    for (int l = 0; l < d->L; l++)
        n += dims_reach(d, l);
    return n;
}

void dims_dilation_text(const struct dims *d, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = 0;
    for (int l = 0; l < d->L && n < size; l++)
        n += (size_t)snprintf(buf + n, size - n, l ? ",%d" : "%d", d->dilation[l]);
}

int dims_parse_dilation(struct dims *d, const char *text, struct err *e)
{
    int n = 0;
    const char *p = text;
    if (check_range("number of blocks", d->L, 1, DIMS_MAX_BLOCKS, e) != 0)
        return -1;
    for (;;) {
        char *end;
        long value = strtol(p, &end, 10);
        if (!(*p >= '0' && *p <= '9') || value < 1 || value > 4096)
            return err_set(e, "dilation '%.60s' is not a list of numbers from 1 to 4096", text);
        if (n == d->L)
            return err_set(e, "dilation '%.60s' has more numbers than the model has blocks (%d)",
                           text, d->L);
        d->dilation[n++] = (int)value;
        if (*end == 0)
            break;
        if (*end != ',')
            return err_set(e, "dilation '%.60s' is not a list of numbers with commas between",
                           text);
        p = end + 1;
    }
    if (n != 1 && n != d->L)
        return err_set(e, "dilation '%.60s' has %d numbers (expected 1 or %d, one a block)", text,
                       n, d->L);
    for (int l = n; l < d->L; l++)
        d->dilation[l] = d->dilation[0];
    return 0;
}

void dims_mixers_text(const struct dims *d, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = 0;
    for (int l = 0; l < d->L && n < size; l++)
        n += (size_t)snprintf(buf + n, size - n, l ? ",%s" : "%s", dims_mixer_names[d->mixer[l]]);
}

/* The mixer whose name is the n bytes at text; DIMS_N_MIXERS: none. */
static enum dims_mixer find_mixer(const char *text, size_t n)
{
    int i = 0;
    while (i < DIMS_N_MIXERS &&
           (strlen(dims_mixer_names[i]) != n || memcmp(dims_mixer_names[i], text, n) != 0))
        i++;
    return (enum dims_mixer)i;
}

int dims_parse_mixers(struct dims *d, const char *text, struct err *e)
{
    int n = 0;
    if (check_range("number of blocks", d->L, 1, DIMS_MAX_BLOCKS, e) != 0)
        return -1;
    for (const char *p = text;; p++) {
        const char *comma = strchr(p, ',');
        size_t length = comma ? (size_t)(comma - p) : strlen(p);
        enum dims_mixer mixer = find_mixer(p, length);
        if (mixer == DIMS_N_MIXERS)
            return err_set(e,
                           "unknown mixer '%.*s' (expected conv or attention, with commas between)",
                           (int)MIN(length, (size_t)60), p);
        if (n == d->L)
            return err_set(e, "mixers '%.60s' has more names than the model has blocks (%d)", text,
                           d->L);
        d->mixer[n++] = mixer;
        p += length;
        if (*p == 0)
            break;
    }
    if (n != 1 && n != d->L)
        return err_set(e, "mixers '%.60s' has %d names (expected 1 or %d, one a block)", text, n,
                       d->L);
    for (int l = n; l < d->L; l++)
        d->mixer[l] = d->mixer[0];
    return 0;
}

void dims_complete(struct dims *d)
{
    bool some = has_attention(d);
    for (int l = 0; l < d->L; l++)
        if (!dims_has(d, TENSOR_TAPS, l))
            d->dilation[l] = 1;
    if (!some) {
        d->heads = d->key_width = d->window = 0;
        return;
    }
    if (d->heads == 0)
        for (d->heads = MAX(d->D / 32, 1); d->D % d->heads != 0;)
            d->heads--;
    if (d->key_width == 0)
        d->key_width = MIN(d->D / d->heads, DIMS_MAX_KEY_WIDTH);
    if (d->window == 0)
        d->window = 64;
}

bool dims_equal(const struct dims *a, const struct dims *b)
{
    return a->embed_norm == b->embed_norm && a->V == b->V && a->D == b->D && a->H == b->H &&
           a->K == b->K && a->L == b->L && a->heads == b->heads && a->key_width == b->key_width &&
           a->window == b->window &&
           memcmp(a->mixer, b->mixer, sizeof a->mixer[0] * (size_t)a->L) == 0 &&
           memcmp(a->dilation, b->dilation, sizeof a->dilation[0] * (size_t)a->L) == 0;
}
