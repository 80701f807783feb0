#include "export/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>

/* Numbers of the fields, by message. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_NOTE = 14
};
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum { NOTE_KEY = 1, NOTE_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_CONSTANT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20
};
enum { ATTRIBUTE_IS_FLOAT = 1, ATTRIBUTE_IS_INT = 2, ATTRIBUTE_IS_INTS = 7 };
enum { TENSOR_SIZES = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum { TYPE_TENSOR = 1, TYPE_ELEMENT = 1, TYPE_SHAPE = 2, SHAPE_SIZE = 1 };
enum { SIZE_NUMBER = 1, SIZE_SYMBOL = 2 };

struct onnx_value onnx_named(const char *format, ...)
{
    struct onnx_value v;
    va_list list;
    va_start(list, format);
    vsnprintf(v.name, sizeof v.name, format, list);
    va_end(list);
    return v;
}

static struct onnx_value next(struct onnx_graph *g)
{
    return onnx_named("v%d", g->n_values++);
}

/* ---- constants ------------------------------------------------------------------------------- */

struct onnx_value onnx_constant(struct onnx_graph *g, enum onnx_type type, const int64_t *sizes,
                                size_t rank, const void *data, size_t n_bytes)
{
    struct protobuf t = {0};
    struct onnx_value v = next(g);
    for (size_t i = 0; i < rank; i++)
        protobuf_int(&t, TENSOR_SIZES, sizes[i]);
    protobuf_int(&t, TENSOR_TYPE, type);
    protobuf_text(&t, TENSOR_NAME, v.name);
    protobuf_bytes(&t, TENSOR_RAW, data, n_bytes);
    protobuf_message(&g->graph, GRAPH_CONSTANT, &t);
    return v;
}

struct onnx_value onnx_float(struct onnx_graph *g, float value)
{
    return onnx_constant(g, ONNX_FLOAT, NULL, 0, &value, sizeof value);
}

struct onnx_value onnx_int(struct onnx_graph *g, int64_t value)
{
    return onnx_constant(g, ONNX_INT64, NULL, 0, &value, sizeof value);
}

struct onnx_value onnx_ints(struct onnx_graph *g, const int64_t *v, size_t n)
{
    return onnx_constant(g, ONNX_INT64, &(int64_t){(int64_t)n}, 1, v, n * sizeof *v);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void put_attribute(struct protobuf *node, const struct onnx_attribute *a)
{
    struct protobuf p = {0};
    protobuf_text(&p, ATTRIBUTE_NAME, a->name);
    if (a->is_float)
        protobuf_float(&p, ATTRIBUTE_F, a->f);
    else if (a->n == 0)
        protobuf_int(&p, ATTRIBUTE_I, a->i);
    for (size_t i = 0; i < a->n; i++)
        protobuf_int(&p, ATTRIBUTE_INTS, a->ints[i]);
    protobuf_int(&p, ATTRIBUTE_TYPE,
                 a->is_float ? ATTRIBUTE_IS_FLOAT
                 : a->n      ? ATTRIBUTE_IS_INTS
                             : ATTRIBUTE_IS_INT);
    protobuf_message(node, NODE_ATTRIBUTE, &p);
}

static void put_node(struct onnx_graph *g, const char *op, const struct onnx_value *in, size_t n_in,
                     const struct onnx_attribute *attributes, size_t n_attributes,
                     const struct onnx_value *out, size_t n_out)
{
    struct protobuf p = {0};
    for (size_t i = 0; i < n_in; i++)
        protobuf_text(&p, NODE_INPUT, in[i].name);
    for (size_t i = 0; i < n_out; i++)
        protobuf_text(&p, NODE_OUTPUT, out[i].name);
    protobuf_text(&p, NODE_OP, op);
    for (size_t i = 0; i < n_attributes; i++)
        put_attribute(&p, &attributes[i]);
    protobuf_message(&g->graph, GRAPH_NODE, &p);
}

struct onnx_value onnx_node(struct onnx_graph *g, const char *op, const struct onnx_value *in,
                            size_t n_in, const struct onnx_attribute *attributes,
                            size_t n_attributes, const struct onnx_value *out)
{
    struct onnx_value v = out ? *out : next(g);
    put_node(g, op, in, n_in, attributes, n_attributes, &v, 1);
    return v;
}

struct onnx_value onnx_one(struct onnx_graph *g, const char *op, struct onnx_value a)
{
    return onnx_node(g, op, &a, 1, NULL, 0, NULL);
}

struct onnx_value onnx_two(struct onnx_graph *g, const char *op, struct onnx_value a,
                           struct onnx_value b)
{
    return onnx_node(g, op, (struct onnx_value[]){a, b}, 2, NULL, 0, NULL);
}

void onnx_split(struct onnx_graph *g, struct onnx_value in, struct onnx_value out[2])
{
    const struct onnx_attribute halves[] = {{.name = "axis", .i = -1},
                                            {.name = "num_outputs", .i = 2}};
    out[0] = next(g);
    out[1] = next(g);
    put_node(g, "Split", &in, 1, halves, 2, out, 2);
}

/* ---- inputs, outputs, the whole -------------------------------------------------------------- */

static void put_value(struct onnx_graph *g, unsigned field, const struct onnx_value *v,
                      enum onnx_type type, const struct onnx_size *sizes, size_t rank)
{
    struct protobuf value = {0}, of_type = {0}, tensor = {0}, shape = {0};
    for (size_t i = 0; i < rank; i++) {
        struct protobuf size = {0};
        if (sizes[i].symbol)
            protobuf_text(&size, SIZE_SYMBOL, sizes[i].symbol);
        else
            protobuf_int(&size, SIZE_NUMBER, sizes[i].n);
        protobuf_message(&shape, SHAPE_SIZE, &size);
    }
    protobuf_int(&tensor, TYPE_ELEMENT, type);
    protobuf_message(&tensor, TYPE_SHAPE, &shape);
    protobuf_message(&of_type, TYPE_TENSOR, &tensor);
    protobuf_text(&value, VALUE_NAME, v->name);
    protobuf_message(&value, VALUE_TYPE, &of_type);
    protobuf_message(&g->graph, field, &value);
}

void onnx_input(struct onnx_graph *g, const struct onnx_value *v, enum onnx_type type,
                const struct onnx_size *sizes, size_t rank)
{
    put_value(g, GRAPH_INPUT, v, type, sizes, rank);
}

void onnx_output(struct onnx_graph *g, const struct onnx_value *v, enum onnx_type type,
                 const struct onnx_size *sizes, size_t rank)
{
    put_value(g, GRAPH_OUTPUT, v, type, sizes, rank);
}

struct protobuf onnx_model(struct onnx_graph *g, int ir_version, int opset,
                           const struct onnx_note *notes, size_t n_notes)
{
    struct protobuf model = {0}, set = {0};
    protobuf_text(&g->graph, GRAPH_NAME, "bolt");
    protobuf_int(&model, MODEL_IR_VERSION, ir_version);
    protobuf_text(&model, MODEL_PRODUCER, "FlashLM Bolt");
    protobuf_text(&model, MODEL_VERSION, BOLT_VERSION);
    protobuf_message(&model, MODEL_GRAPH, &g->graph);
    protobuf_text(&set, OPSET_DOMAIN, "");
    protobuf_int(&set, OPSET_VERSION, opset);
    protobuf_message(&model, MODEL_OPSET, &set);
    for (size_t i = 0; i < n_notes; i++) {
        struct protobuf note = {0};
        protobuf_text(&note, NOTE_KEY, notes[i].key);
        protobuf_text(&note, NOTE_VALUE, notes[i].value);
        protobuf_message(&model, MODEL_NOTE, &note);
    }
    return model;
}
