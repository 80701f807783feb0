/* onnx_graph.h - builds an ONNX model: nodes, constants, inputs and outputs.
 *
 * Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; field numbers are those. */
#ifndef ONNX_GRAPH_H
#define ONNX_GRAPH_H

#include "export/protobuf.h"

enum onnx_type { ONNX_FLOAT = 1, ONNX_INT8 = 3, ONNX_INT64 = 7, ONNX_INT2 = 26 };

/* What an edge of the graph is called. */
struct onnx_value {
    char name[48];
};

struct onnx_graph { /* begins zeroed */
    struct protobuf graph;
    int n_values; /* named by a number */
};

/* An attribute of a node: whole numbers, a single one if n is 0, or a float. */
struct onnx_attribute {
    const char *name;
    int64_t i; /* unless is_float or n */
    const int64_t *ints;
    size_t n;
    bool is_float;
    float f;
};

/* A size of an input or output: a number, or a symbol where that is not NULL. */
struct onnx_size {
    int64_t n;
    const char *symbol;
};

/* A value of a given name. */
struct onnx_value onnx_named(const char *format, ...) PRINTF_LIKE(1, 2);

/* A constant; the data are little-endian, row-major, copied. The name is one of its own. */
struct onnx_value onnx_constant(struct onnx_graph *g, enum onnx_type type, const int64_t *sizes,
                                size_t rank, const void *data, size_t n_bytes);
struct onnx_value onnx_float(struct onnx_graph *g, float value);               /* a scalar */
struct onnx_value onnx_int(struct onnx_graph *g, int64_t value);               /* a scalar */
struct onnx_value onnx_ints(struct onnx_graph *g, const int64_t *v, size_t n); /* [n] */

/* A node with one output, which gets a name of its own or, unless `out` is NULL, that one. */
struct onnx_value onnx_node(struct onnx_graph *g, const char *op, const struct onnx_value *in,
                            size_t n_in, const struct onnx_attribute *attributes,
                            size_t n_attributes, const struct onnx_value *out);

/* The same with one or two inputs. */
struct onnx_value onnx_one(struct onnx_graph *g, const char *op, struct onnx_value a);
struct onnx_value onnx_two(struct onnx_graph *g, const char *op, struct onnx_value a,
                           struct onnx_value b);

/* Halves of the last axis. */
void onnx_split(struct onnx_graph *g, struct onnx_value in, struct onnx_value out[2]);

void onnx_input(struct onnx_graph *g, const struct onnx_value *v, enum onnx_type type,
                const struct onnx_size *sizes, size_t rank);
void onnx_output(struct onnx_graph *g, const struct onnx_value *v, enum onnx_type type,
                 const struct onnx_size *sizes, size_t rank);

/* A text that other programs may read. */
struct onnx_note {
    const char *key, *value;
};

/* The whole model, from the graph, which is released. Its `failed` says that memory ran out. */
struct protobuf onnx_model(struct onnx_graph *g, int ir_version, int opset,
                           const struct onnx_note *notes, size_t n_notes);

#endif
