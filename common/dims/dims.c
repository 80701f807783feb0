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
    [TENSOR_MIXER_DOWN] = {"blocks.%d.mixer.down.weight", TENSOR_TERNARY},
    [TENSOR_NORM2] = {"blocks.%d.norm2.scale", TENSOR_VECTOR},
    [TENSOR_FFN_GATE] = {"blocks.%d.ffn.W_gate.weight", TENSOR_TERNARY},
    [TENSOR_FFN_UP] = {"blocks.%d.ffn.W_up.weight", TENSOR_TERNARY},
    [TENSOR_FFN_DOWN] = {"blocks.%d.ffn.W_down.weight", TENSOR_TERNARY},
    [TENSOR_FINAL_NORM] = {"final_norm.scale", TENSOR_VECTOR},
};

enum { N_BLOCK_KINDS = TENSOR_FFN_DOWN - TENSOR_NORM1 + 1 };

static int check_range(const char *name, int value, int min, int max, struct err *e)
{
    if (value >= min && value <= max)
        return 0;
    return err_set(e, "%s out of range (found %d, expected %d to %d)", name, value, min, max);
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
    return 0;
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

size_t dims_n_tensors(const struct dims *d)
{
    return 2 + N_BLOCK_KINDS * (size_t)d->L;
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

static size_t block_floats(const struct dims *d)
{
    size_t n = 0;
    for (int k = TENSOR_NORM1; k <= TENSOR_FFN_DOWN; k++)
        n += padded_n(d, (enum tensor_kind)k);
    return n;
}

size_t dims_offset(const struct dims *d, enum tensor_kind kind, int block)
{
    if (kind == TENSOR_EMBED)
        return 0;
    size_t offset = padded_n(d, TENSOR_EMBED);
    if (kind == TENSOR_FINAL_NORM)
        return offset + block_floats(d) * (size_t)d->L;
    offset += block_floats(d) * (size_t)block;
    for (int k = TENSOR_NORM1; k < (int)kind; k++)
        offset += padded_n(d, (enum tensor_kind)k);
    return offset;
}

void dims_tensor(const struct dims *d, size_t i, struct tensor *t)
{
    *t = (struct tensor){.kind = TENSOR_EMBED, .block = -1};
    if (i + 1 == dims_n_tensors(d)) {
        t->kind = TENSOR_FINAL_NORM;
    } else if (i > 0) {
        t->kind = (enum tensor_kind)(TENSOR_NORM1 + (int)((i - 1) % N_BLOCK_KINDS));
        t->block = (int)((i - 1) / N_BLOCK_KINDS);
    }
    t->form = kinds[t->kind].form;
    t->n_parts = t->kind == TENSOR_MIXER_UP ? 2 : 1; /* gate and value */
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

size_t dims_context(const struct dims *d)
{
    size_t n = 0;
    for (int l = 0; l < d->L; l++)
        n += (size_t)(d->K - 1) * (size_t)d->dilation[l];
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

bool dims_equal(const struct dims *a, const struct dims *b)
{
    return a->V == b->V && a->D == b->D && a->H == b->H && a->K == b->K && a->L == b->L &&
           memcmp(a->dilation, b->dilation, sizeof a->dilation[0] * (size_t)a->L) == 0;
}
