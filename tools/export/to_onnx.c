#include "export/to_onnx.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/onnx_graph.h"

_Static_assert(
    TENSOR_N_KINDS == 12 && DIMS_N_MIXERS == 2 &&
        sizeof(struct dims) == (10 + 2 * DIMS_MAX_BLOCKS) * sizeof(int),
    "the graph here computes a model of these tensors, mixers and hyperparameters: teach it what "
    "is new, or refuse it");

const char *const to_onnx_weight_names[4] = {"f32", "int8", "int2", NULL};

enum { RMS_NORM_OPSET = 23 }; /* from which on there is RMSNormalization */
static const int opsets[] = {[TO_ONNX_F32] = 18, [TO_ONNX_INT8] = 18, [TO_ONNX_INT2] = 25};
static const int ir_versions[] = {[TO_ONNX_F32] = 8, [TO_ONNX_INT8] = 8, [TO_ONNX_INT2] = 13};

struct builder {
    struct onnx_graph g;
    const struct model *m;
    const struct to_onnx_options *o;
    int64_t D;
    void *scratch; /* the largest constant as floats */
    /* The same in all blocks. */
    struct onnx_value there;  /* [batch][tokens][1]: 1 a token, or 0 where the mask has it */
    struct onnx_value places; /* of attention */
};

int to_onnx_opset(enum to_onnx_weights weights)
{
    return opsets[weights];
}

int to_onnx_state_length(const struct dims *d, int block)
{
    size_t most = dims_reach(d, block);
    for (int l = 0; l < d->L; l++)
        if (d->mixer[l] == d->mixer[block])
            most = MAX(most, dims_reach(d, l));
    return (int)most + 1;
}

int to_onnx_longest_state(const struct dims *d)
{
    int most = 0;
    for (int l = 0; l < d->L; l++)
        most = MAX(most, to_onnx_state_length(d, l));
    return most;
}

int to_onnx_state_channels(const struct dims *d, int block)
{
    return dims_has(d, TENSOR_QUERY_KEY, block) ? d->heads * d->key_width + d->D + 1 : d->D;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* -1, 0 or +1: element i of the transposed matrix. */
static int ternary_at(const struct model_tern *w, size_t i)
{
    size_t row = i % w->rows, column = i / w->rows;
    const uint8_t *codes = w->codes + row * DIV_UP(w->cols, 4);
    return (codes[column / 4] >> 2 * (column % 4) & 3) - 1;
}

/* The transposed matrix [cols][rows] as the graph multiplies with it. */
static struct onnx_value matrix(struct builder *b, const struct model_tern *w)
{
    const int64_t sizes[] = {(int64_t)w->cols, (int64_t)w->rows};
    size_t n = w->rows * w->cols;
    if (b->o->weights == TO_ONNX_F32) {
        float *floats = b->scratch;
        for (size_t i = 0; i < n; i++)
            floats[i] = w->alpha * (float)ternary_at(w, i);
        return onnx_constant(&b->g, ONNX_FLOAT, sizes, 2, floats, n * sizeof *floats);
    }
    bool two_bits = b->o->weights == TO_ONNX_INT2;
    uint8_t *bytes = b->scratch;
    size_t n_bytes = two_bits ? DIV_UP(n, 4) : n;
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = 0;
    for (size_t i = 0; i < n; i++)
        if (two_bits) /* the first in the lowest bits */
            bytes[i / 4] |= (uint8_t)((ternary_at(w, i) & 3) << 2 * (i % 4));
        else
            bytes[i] = (uint8_t)ternary_at(w, i);
    struct onnx_value codes =
        onnx_constant(&b->g, two_bits ? ONNX_INT2 : ONNX_INT8, sizes, 2, bytes, n_bytes);
    return onnx_node(&b->g, "Cast", &codes, 1,
                     &(struct onnx_attribute){.name = "to", .i = ONNX_FLOAT}, 1, NULL);
}

/* By Cast, not DequantizeLinear: with a scalar scale onnxruntime makes that a product with
 * activations of 8 bits, which moves logits by a hundredth, and with a scale of shape [1] it widens
 * the matrix again for every token. */
static struct onnx_value linear(struct builder *b, struct onnx_value x, const struct model_tern *w)
{
    struct onnx_value y = onnx_two(&b->g, "MatMul", x, matrix(b, w));
    return b->o->weights == TO_ONNX_F32 ? y
                                        : onnx_two(&b->g, "Mul", y, onnx_float(&b->g, w->alpha));
}

static struct onnx_value embedding(struct builder *b)
{
    const struct dims *d = &b->m->dims;
    float *rows = b->scratch;
    for (size_t id = 0; id < (size_t)d->V; id++)
        model_embed_row(b->m, id, rows + id * (size_t)d->D);
    return onnx_constant(&b->g, ONNX_FLOAT, (int64_t[]){d->V, d->D}, 2, rows,
                         (size_t)d->V * (size_t)d->D * sizeof *rows);
}

/* ---- the model ------------------------------------------------------------------------------- */

static struct onnx_value norm(struct builder *b, struct onnx_value x, const float *scale)
{
    struct onnx_graph *g = &b->g;
    struct onnx_value factors =
        onnx_constant(g, ONNX_FLOAT, &b->D, 1, scale, (size_t)b->D * sizeof *scale);
    if (opsets[b->o->weights] >= RMS_NORM_OPSET)
        return onnx_node(
            g, "RMSNormalization", (struct onnx_value[]){x, factors}, 2,
            (struct onnx_attribute[]){{.name = "axis", .i = -1},
                                      {.name = "epsilon", .is_float = true, .f = DIMS_NORM_EPS}},
            2, NULL);
    struct onnx_value mean =
        onnx_node(g, "ReduceMean",
                  (struct onnx_value[]){onnx_two(g, "Mul", x, x), onnx_ints(g, &(int64_t){-1}, 1)},
                  2, &(struct onnx_attribute){.name = "keepdims", .i = 1}, 1, NULL);
    struct onnx_value root =
        onnx_one(g, "Sqrt", onnx_two(g, "Add", mean, onnx_float(g, DIMS_NORM_EPS)));
    return onnx_two(g, "Mul", onnx_two(g, "Mul", x, onnx_one(g, "Reciprocal", root)), factors);
}

static struct onnx_value permuted(struct onnx_graph *g, struct onnx_value x, const int64_t *axes,
                                  size_t n)
{
    return onnx_node(g, "Transpose", &x, 1,
                     &(struct onnx_attribute){.name = "perm", .ints = axes, .n = n}, 1, NULL);
}

/* [batch][tokens][D] to [batch][D][tokens], or back. */
static struct onnx_value turned(struct onnx_graph *g, struct onnx_value x)
{
    return permuted(g, x, (int64_t[]){0, 2, 1}, 3);
}

/* The last axis from position `begin` on, counted from its end if negative. */
static struct onnx_value from(struct onnx_graph *g, struct onnx_value x, int64_t begin,
                              const struct onnx_value *out)
{
    const struct onnx_value in[] = {x, onnx_ints(g, &begin, 1),
                                    onnx_ints(g, &(int64_t){INT64_MAX}, 1),
                                    onnx_ints(g, &(int64_t){2}, 1)};
    return onnx_node(g, "Slice", in, 4, NULL, 0, out);
}

static struct onnx_value joined(struct onnx_graph *g, int64_t axis, const struct onnx_value *parts,
                                size_t n)
{
    return onnx_node(g, "Concat", parts, n, &(struct onnx_attribute){.name = "axis", .i = axis}, 1,
                     NULL);
}

/* The state, then what the tokens add, [batch][channels][positions]; the end of that is
 * the state of the next tokens. */
static struct onnx_value behind_state(struct builder *b, struct onnx_value now, int block)
{
    struct onnx_graph *g = &b->g;
    struct onnx_value past = onnx_named("past_conv.%d", block);
    struct onnx_value present = onnx_named("present_conv.%d", block);
    struct onnx_value all = joined(g, 2, (struct onnx_value[]){past, turned(g, now)}, 2);
    from(g, all, -to_onnx_state_length(&b->m->dims, block), &present);
    return all;
}

/* The convolution over the values of the tokens, after the state. */
static struct onnx_value convolution(struct builder *b, struct onnx_value v, int block)
{
    struct onnx_graph *g = &b->g;
    const struct dims *d = &b->m->dims;
    int64_t K = d->K, dilation = d->dilation[block];
    int64_t unseen = to_onnx_state_length(d, block) - (int64_t)dims_reach(d, block);
    if (b->o->transformersjs)
        v = onnx_two(g, "Mul", v, b->there);
    struct onnx_value all = behind_state(b, v, block);
    struct onnx_value taps =
        onnx_constant(g, ONNX_FLOAT, (int64_t[]){b->D, 1, K}, 3, b->m->block[block].taps,
                      (size_t)(b->D * K) * sizeof(float));
    const struct onnx_attribute attributes[] = {
        {.name = "group", .i = b->D},
        {.name = "kernel_shape", .ints = &K, .n = 1},
        {.name = "dilations", .ints = &dilation, .n = 1},
    };
    const struct onnx_value in[] = {from(g, all, unseen, NULL), taps};
    return turned(g, onnx_node(g, "Conv", in, 2, attributes, 3, NULL));
}

/* ---- attention ------------------------------------------------------------------------------- */

/* Added to a score: its weight is 0. */
static const float never = -1e30f;

/* The places of a query's biases in the table below, [tokens][window - 1 + tokens], the positions
 * before these tokens first. */
static void prepare_attention(struct builder *b, struct onnx_value shape)
{
    struct onnx_graph *g = &b->g;
    int64_t window = b->m->dims.window;
    struct onnx_value zero = onnx_int(g, 0), one = onnx_int(g, 1);
    struct onnx_value n = onnx_two(g, "Gather", shape, one);
    struct onnx_value queries =
        onnx_node(g, "Range", (struct onnx_value[]){zero, n, one}, 3, NULL, 0, NULL);
    struct onnx_value last = onnx_two(g, "Sub", n, one);
    struct onnx_value keys = onnx_node(
        g, "Range", (struct onnx_value[]){onnx_int(g, -window), last, one}, 3, NULL, 0, NULL);
    struct onnx_value column = onnx_two(g, "Unsqueeze", queries, onnx_ints(g, &(int64_t){1}, 1));
    struct onnx_value back = onnx_two(g, "Sub", column, keys);
    b->places = onnx_node(g, "Clip", (struct onnx_value[]){back, zero, onnx_int(g, window + 1)}, 3,
                          NULL, 0, NULL);
}

/* [heads][tokens][window - 1 + tokens], out of a table whose place 1 + i has the bias of the key i
 * positions back, and the first and last what no query sees. */
static struct onnx_value biases(struct builder *b, int block)
{
    const struct dims *d = &b->m->dims;
    size_t window = (size_t)d->window, heads = (size_t)d->heads;
    const float *bias = b->m->block[block].distance;
    float *row = b->scratch;
    for (size_t head = 0; head < heads; head++, row += window + 2) {
        row[0] = row[window + 1] = never;
        memcpy(row + 1, bias + head * window, window * sizeof *row);
    }
    struct onnx_value table = onnx_constant(&b->g, ONNX_FLOAT, (int64_t[]){d->heads, d->window + 2},
                                            2, b->scratch, heads * (window + 2) * sizeof *row);
    return onnx_node(&b->g, "Gather", (struct onnx_value[]){table, b->places}, 2,
                     &(struct onnx_attribute){.name = "axis", .i = 1}, 1, NULL);
}

/* Channels [first, end) of state and tokens, but of the oldest position, which no query sees, as
 * [batch][heads][end - first of a head][window - 1 + tokens]. */
static struct onnx_value by_head(struct onnx_graph *g, struct onnx_value all, int64_t first,
                                 int64_t end, int64_t heads)
{
    const struct onnx_value in[] = {all, onnx_ints(g, (int64_t[]){first, 1}, 2),
                                    onnx_ints(g, (int64_t[]){end, INT64_MAX}, 2),
                                    onnx_ints(g, (int64_t[]){1, 2}, 2)};
    const int64_t sizes[] = {0, heads, (end - first) / heads, -1};
    struct onnx_value part = onnx_node(g, "Slice", in, 4, NULL, 0, NULL);
    return onnx_two(g, "Reshape", part, onnx_ints(g, sizes, 4));
}

/* Attention over the window. Its state has keys, values, and 1 where there is a token. */
static struct onnx_value attention(struct builder *b, struct onnx_value query_key,
                                   struct onnx_value v, int block)
{
    struct onnx_graph *g = &b->g;
    const struct dims *d = &b->m->dims;
    int64_t all_keys = d->heads * d->key_width, channels = to_onnx_state_channels(d, block);
    struct onnx_value halves[2];
    onnx_split(g, query_key, halves);
    struct onnx_value now = joined(g, 2, (struct onnx_value[]){halves[1], v, b->there}, 3);
    struct onnx_value all = behind_state(b, now, block);
    struct onnx_value keys = by_head(g, all, 0, all_keys, d->heads);
    struct onnx_value values = by_head(g, all, all_keys, channels - 1, d->heads);
    struct onnx_value there = by_head(g, all, channels - 1, channels, 1);

    struct onnx_value scaled =
        onnx_two(g, "Mul", halves[0], onnx_float(g, 1 / sqrtf((float)d->key_width)));
    struct onnx_value query =
        onnx_two(g, "Reshape", scaled, onnx_ints(g, (int64_t[]){0, 0, d->heads, d->key_width}, 4));
    query = permuted(g, query, (int64_t[]){0, 2, 1, 3}, 4);
    struct onnx_value scores = onnx_two(g, "MatMul", query, keys);
    scores = onnx_two(g, "Add", scores, biases(b, block));
    struct onnx_value absent = onnx_two(g, "Sub", onnx_float(g, 1), there);
    scores = onnx_two(g, "Add", scores, onnx_two(g, "Mul", absent, onnx_float(g, never)));
    struct onnx_value weights = onnx_node(
        g, "Softmax", &scores, 1, &(struct onnx_attribute){.name = "axis", .i = -1}, 1, NULL);

    struct onnx_value mixed =
        onnx_two(g, "MatMul", values, permuted(g, weights, (int64_t[]){0, 1, 3, 2}, 4));
    return turned(g, onnx_two(g, "Reshape", mixed, onnx_ints(g, (int64_t[]){0, b->D, -1}, 3)));
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What the mixer makes of the values v of a block whose input, normed, is n. */
static struct onnx_value mix(struct builder *b, struct onnx_value n, struct onnx_value v, int l)
{
    switch (b->m->dims.mixer[l]) {
    case DIMS_ATTENTION:
        return attention(b, linear(b, n, &b->m->block[l].query_key), v, l);
    case DIMS_CONV:
    case DIMS_N_MIXERS:
        break;
    }
    return convolution(b, v, l);
}

static struct onnx_value block(struct builder *b, struct onnx_value x, int l)
{
    struct onnx_graph *g = &b->g;
    const struct model_block *w = &b->m->block[l];
    struct onnx_value halves[2];
    struct onnx_value n = norm(b, x, w->norm1);
    onnx_split(g, linear(b, n, &w->mixer_up), halves);
    struct onnx_value gate = onnx_one(g, "Sigmoid", halves[0]);
    struct onnx_value mixed = onnx_two(g, "Mul", mix(b, n, halves[1], l), gate);
    x = onnx_two(g, "Add", x, linear(b, mixed, &w->mixer_down));
    n = norm(b, x, w->norm2);
    gate = linear(b, n, &w->ffn_gate);
    struct onnx_value up = linear(b, n, &w->ffn_up);
    struct onnx_value silu = onnx_two(g, "Mul", gate, onnx_one(g, "Sigmoid", gate));
    struct onnx_value hidden = onnx_two(g, "Mul", silu, up);
    return onnx_two(g, "Add", x, linear(b, hidden, &w->ffn_down));
}

/* The rmsnorm that has no scale. */
static struct onnx_value embed_norm(struct builder *b, struct onnx_value x)
{
    float *ones = b->scratch;
    for (int64_t c = 0; c < b->D; c++)
        ones[c] = 1;
    return norm(b, x, ones);
}

/* Ids that the vocabulary does not have become UNK; below 0 Gather would count from its end. */
static struct onnx_value known_ids(struct builder *b, struct onnx_value ids)
{
    struct onnx_graph *g = &b->g;
    struct onnx_value range[] = {ids, onnx_int(g, 0), onnx_int(g, b->m->dims.V - 1)};
    struct onnx_value unknown = onnx_ints(g, &(int64_t){DIMS_UNK}, 1);
    struct onnx_value known =
        onnx_two(g, "Equal", ids, onnx_node(g, "Clip", range, 3, NULL, 0, NULL));
    return onnx_node(g, "Where", (struct onnx_value[]){known, ids, unknown}, 3, NULL, 0, NULL);
}

/* The end of the input attention_mask, which tells of all tokens so far, as floats. */
static struct onnx_value mask_of(struct onnx_graph *g, struct onnx_value shape)
{
    struct onnx_value mask = onnx_named("attention_mask");
    const struct onnx_size sizes[] = {{.symbol = "batch_size"},
                                      {.symbol = "total_sequence_length"}};
    onnx_input(g, &mask, ONNX_INT64, sizes, 2);
    struct onnx_value n = onnx_two(g, "Gather", shape, onnx_ints(g, &(int64_t){1}, 1));
    const struct onnx_value in[] = {mask, onnx_one(g, "Neg", n),
                                    onnx_ints(g, &(int64_t){INT64_MAX}, 1),
                                    onnx_ints(g, &(int64_t){1}, 1)};
    struct onnx_value end = onnx_node(g, "Slice", in, 4, NULL, 0, NULL);
    return onnx_node(g, "Cast", &end, 1, &(struct onnx_attribute){.name = "to", .i = ONNX_FLOAT}, 1,
                     NULL);
}

/* What all blocks need to know of the tokens. */
static void prepare_blocks(struct builder *b, struct onnx_value ids)
{
    struct onnx_graph *g = &b->g;
    bool masked = b->o->transformersjs, attention = b->m->dims.heads > 0;
    if (!masked && !attention)
        return;
    struct onnx_value shape = onnx_one(g, "Shape", ids);
    struct onnx_value flat =
        masked ? mask_of(g, shape) : onnx_two(g, "Expand", onnx_float(g, 1), shape);
    b->there = onnx_two(g, "Unsqueeze", flat, onnx_ints(g, &(int64_t){2}, 1));
    if (attention)
        prepare_attention(b, shape);
}

/* A cache that is never read, of one number a token. */
static void phantom_cache(struct builder *b, struct onnx_value ids)
{
    static const char *const parts[] = {"key", "value"};
    struct onnx_graph *g = &b->g;
    struct onnx_value axes = onnx_ints(g, (int64_t[]){1, 3}, 2);
    struct onnx_value floats = onnx_node(
        g, "Cast", &ids, 1, &(struct onnx_attribute){.name = "to", .i = ONNX_FLOAT}, 1, NULL);
    struct onnx_value now = onnx_two(g, "Unsqueeze", floats, axes);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct onnx_value past = onnx_named("past_key_values.%d.%s", b->m->dims.L, parts[i]);
        struct onnx_value present = onnx_named("present.%d.%s", b->m->dims.L, parts[i]);
        struct onnx_size sizes[] = {
            {.symbol = "batch_size"}, {.n = 1}, {.symbol = "past_sequence_length"}, {.n = 1}};
        onnx_input(g, &past, ONNX_FLOAT, sizes, 4);
        sizes[2].symbol = "total_sequence_length";
        onnx_output(g, &present, ONNX_FLOAT, sizes, 4);
        onnx_node(g, "Concat", (struct onnx_value[]){past, now}, 2,
                  &(struct onnx_attribute){.name = "axis", .i = 2}, 1, &present);
    }
}

static void build(struct builder *b)
{
    struct onnx_graph *g = &b->g;
    const struct dims *d = &b->m->dims;
    const struct onnx_size tokens[] = {
        {.symbol = "batch_size"}, {.symbol = "sequence_length"}, {.n = d->V}};
    struct onnx_value ids = onnx_named("input_ids"), logits = onnx_named("logits");
    onnx_input(g, &ids, ONNX_INT64, tokens, 2);
    onnx_output(g, &logits, ONNX_FLOAT, tokens, 3);
    for (int l = 0; l < d->L; l++) {
        struct onnx_value past = onnx_named("past_conv.%d", l);
        struct onnx_value present = onnx_named("present_conv.%d", l);
        const struct onnx_size state[] = {{.symbol = "batch_size"},
                                          {.n = to_onnx_state_channels(d, l)},
                                          {.n = to_onnx_state_length(d, l)}};
        onnx_input(g, &past, ONNX_FLOAT, state, 3);
        onnx_output(g, &present, ONNX_FLOAT, state, 3);
    }
    struct onnx_value table = embedding(b);
    struct onnx_value x = onnx_two(g, "Gather", table, known_ids(b, ids));
    if (d->embed_norm)
        x = embed_norm(b, x);
    prepare_blocks(b, ids);
    for (int l = 0; l < d->L; l++)
        x = block(b, x, l);
    struct onnx_value head = onnx_node(
        g, "Transpose", &table, 1,
        &(struct onnx_attribute){.name = "perm", .ints = (int64_t[]){1, 0}, .n = 2}, 1, NULL);
    onnx_node(g, "MatMul", (struct onnx_value[]){norm(b, x, b->m->final_norm), head}, 2, NULL, 0,
              &logits);
    if (b->o->transformersjs)
        phantom_cache(b, ids);
}

/* ---- the file -------------------------------------------------------------------------------- */

static uint64_t largest_constant(const struct dims *d)
{
    uint64_t most = (uint64_t)d->heads * ((uint64_t)d->window + 2);
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        most = MAX(most, t.n);
    }
    return most;
}

static struct protobuf finish(struct builder *b)
{
    const struct dims *d = &b->m->dims;
    char dilation[512], length[16], print[17];
    dims_dilation_text(d, dilation, sizeof dilation);
    snprintf(length, sizeof length, "%d", to_onnx_longest_state(d));
    snprintf(print, sizeof print, "%016" PRIx64, b->o->vocab_fingerprint);
    const struct onnx_note notes[] = {{"model", "bolt"},
                                      {"dilation", dilation},
                                      {"state_length", length},
                                      {"vocab_fingerprint", print}};
    return onnx_model(&b->g, ir_versions[b->o->weights], opsets[b->o->weights], notes,
                      ARRAY_LEN(notes) - !b->o->vocab_fingerprint);
}

static int write(const struct protobuf *model, const char *path, struct file_set *files,
                 struct err *e)
{
    struct file_out out;
    if (model->failed)
        return err_memory(e, "%s: out of memory", path);
    if (file_out_open(&out, path, e))
        return -1;
    if (file_out_write(&out, model->data, model->n, e)) {
        file_out_abort(&out);
        return -1;
    }
    return file_set_take(files, &out, e);
}

int to_onnx(const struct model *m, const struct to_onnx_options *o, const char *path,
            struct file_set *files, struct err *e)
{
    enum { MOST_PARAMS = 500000000 }; /* of floats in 2 GB, with room for the rest */
    struct builder b = {.m = m, .o = o, .D = m->dims.D};
    if (dims_n_params(&m->dims) > MOST_PARAMS)
        return err_set(e,
                       "%s: too large for a file of ONNX (found %zu parameters, expected up to "
                       "%d)",
                       path, dims_n_params(&m->dims), MOST_PARAMS);
    b.scratch = malloc(largest_constant(&m->dims) * sizeof(float));
    if (!b.scratch)
        return err_memory(e, "%s: out of memory", path);
    build(&b);
    struct protobuf model = finish(&b);
    int rc = write(&model, path, files, e);
    protobuf_release(&model);
    free(b.scratch);
    return rc;
}
