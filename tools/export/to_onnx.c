#include "export/to_onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/onnx_graph.h"

_Static_assert(
    TENSOR_N_KINDS == 12 && sizeof(struct dims) == (10 + 2 * DIMS_MAX_BLOCKS) * sizeof(int),
    "the graph here computes a model of these tensors and hyperparameters: teach it what "
    "is new, or refuse it");

const char *const to_onnx_weight_names[4] = {"f32", "int8", "int2", NULL};

enum { RMS_NORM_OPSET = 23 }; /* from which on there is RMSNormalization */
static const int opsets[] = {[TO_ONNX_F32] = 18, [TO_ONNX_INT8] = 18, [TO_ONNX_INT2] = 25};
static const int ir_versions[] = {[TO_ONNX_F32] = 8, [TO_ONNX_INT8] = 8, [TO_ONNX_INT2] = 13};

struct builder {
    struct onnx_graph g;
    const struct model *m;
    const struct to_onnx_options *o;
    int64_t D, W;
    void *scratch; /* the largest tensor as floats */
};

int to_onnx_opset(enum to_onnx_weights weights)
{
    return opsets[weights];
}

static int reach_of(const struct dims *d, int block)
{
    return (d->K - 1) * d->dilation[block];
}

int to_onnx_state_length(const struct dims *d)
{
    int most = 0;
    for (int l = 0; l < d->L; l++)
        most = MAX(most, reach_of(d, l));
    return most + 1;
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
 * the matrix anew for every token. */
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

/* [batch][tokens][D] to [batch][D][tokens], or back. */
static struct onnx_value turned(struct onnx_graph *g, struct onnx_value x)
{
    return onnx_node(g, "Transpose", &x, 1,
                     &(struct onnx_attribute){.name = "perm", .ints = (int64_t[]){0, 2, 1}, .n = 3},
                     1, NULL);
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

/* The convolution over the values of the tokens, behind the state. */
static struct onnx_value convolution(struct builder *b, struct onnx_value v, int block)
{
    struct onnx_graph *g = &b->g;
    const struct dims *d = &b->m->dims;
    int64_t K = d->K, dilation = d->dilation[block], unseen = b->W - reach_of(d, block);
    struct onnx_value past = onnx_named("past_conv.%d", block);
    struct onnx_value present = onnx_named("present_conv.%d", block);
    struct onnx_value all = onnx_node(g, "Concat", (struct onnx_value[]){past, turned(g, v)}, 2,
                                      &(struct onnx_attribute){.name = "axis", .i = 2}, 1, NULL);
    from(g, all, -b->W, &present);
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

static struct onnx_value block(struct builder *b, struct onnx_value x, int l)
{
    struct onnx_graph *g = &b->g;
    const struct model_block *w = &b->m->block[l];
    struct onnx_value halves[2];
    onnx_split(g, linear(b, norm(b, x, w->norm1), &w->mixer_up), halves);
    struct onnx_value mixed =
        onnx_two(g, "Mul", convolution(b, halves[1], l), onnx_one(g, "Sigmoid", halves[0]));
    x = onnx_two(g, "Add", x, linear(b, mixed, &w->mixer_down));
    struct onnx_value n = norm(b, x, w->norm2);
    struct onnx_value gate = linear(b, n, &w->ffn_gate);
    struct onnx_value up = linear(b, n, &w->ffn_up);
    struct onnx_value silu = onnx_two(g, "Mul", gate, onnx_one(g, "Sigmoid", gate));
    struct onnx_value hidden = onnx_two(g, "Mul", silu, up);
    return onnx_two(g, "Add", x, linear(b, hidden, &w->ffn_down));
}

/* Ids that the vocabulary does not keep read UNK. */
static struct onnx_value known_ids(struct builder *b, struct onnx_value ids)
{
    struct onnx_graph *g = &b->g;
    struct onnx_value size = onnx_ints(g, &(int64_t){b->m->dims.V}, 1);
    struct onnx_value unknown = onnx_ints(g, &(int64_t){DIMS_UNK}, 1);
    return onnx_node(g, "Where",
                     (struct onnx_value[]){onnx_two(g, "Less", ids, size), ids, unknown}, 3, NULL,
                     0, NULL);
}

/* A cache that nobody reads, of one number a token. */
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
    const struct onnx_size state[] = {{.symbol = "batch_size"}, {.n = b->D}, {.n = b->W}};
    struct onnx_value ids = onnx_named("input_ids"), logits = onnx_named("logits");
    onnx_input(g, &ids, ONNX_INT64, tokens, 2);
    onnx_output(g, &logits, ONNX_FLOAT, tokens, 3);
    for (int l = 0; l < d->L; l++) {
        struct onnx_value past = onnx_named("past_conv.%d", l);
        struct onnx_value present = onnx_named("present_conv.%d", l);
        onnx_input(g, &past, ONNX_FLOAT, state, 3);
        onnx_output(g, &present, ONNX_FLOAT, state, 3);
    }
    struct onnx_value table = embedding(b);
    struct onnx_value x = onnx_two(g, "Gather", table, known_ids(b, ids));
    for (int l = 0; l < d->L; l++)
        x = block(b, x, l);
    struct onnx_value head = onnx_node(
        g, "Transpose", &table, 1,
        &(struct onnx_attribute){.name = "perm", .ints = (int64_t[]){1, 0}, .n = 2}, 1, NULL);
    onnx_node(g, "MatMul", (struct onnx_value[]){norm(b, x, b->m->final_norm), head}, 2, NULL, 0,
              &logits);
    if (b->o->phantom_cache)
        phantom_cache(b, ids);
}

/* ---- the file -------------------------------------------------------------------------------- */

static uint64_t largest_tensor(const struct dims *d)
{
    uint64_t most = 0;
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
    snprintf(length, sizeof length, "%" PRId64, b->W);
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
    struct builder b = {.m = m, .o = o, .D = m->dims.D, .W = to_onnx_state_length(&m->dims)};
    if (dims_n_params(&m->dims) > MOST_PARAMS)
        return err_set(e,
                       "%s: too large for a file of ONNX (found %zu parameters, expected up to "
                       "%d)",
                       path, dims_n_params(&m->dims), MOST_PARAMS);
    b.scratch = malloc(largest_tensor(&m->dims) * sizeof(float));
    if (!b.scratch)
        return err_memory(e, "%s: out of memory", path);
    build(&b);
    struct protobuf model = finish(&b);
    int rc = write(&model, path, files, e);
    protobuf_release(&model);
    free(b.scratch);
    return rc;
}
