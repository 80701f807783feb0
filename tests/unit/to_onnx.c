/* Graphs of ONNX: the encoding of protobuf by its own examples, and the tensors of a graph read
 * back by a decoder of the wire format written here. What a graph computes is tested in onnxruntime
 * (tests/runtimes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/protobuf.h"
#include "export/to_onnx.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toynet.h"

/* ---- protobuf -------------------------------------------------------------------------------- */

static void expect_bytes(struct protobuf *p, const void *wanted, size_t n)
{
    assert_false(p->failed);
    assert_int_equal(p->n, n);
    assert_memory_equal(p->data, wanted, n);
    protobuf_release(p);
    assert_null(p->data);
}

static void test_encoding(void **state)
{
    (void)state;
    struct protobuf p = {0};
    protobuf_int(&p, 1, 150);
    expect_bytes(&p, "\x08\x96\x01", 3);
    protobuf_text(&p, 2, "testing");
    expect_bytes(&p, "\x12\x07testing", 9);
    protobuf_int(&p, 3, -2);
    expect_bytes(&p, "\x18\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    protobuf_int(&p, 16, 0);
    expect_bytes(&p, "\x80\x01\x00", 3);
    protobuf_float(&p, 2, 1.5f);
    expect_bytes(&p, "\x15\x00\x00\xc0\x3f", 5);
    struct protobuf inner = {0};
    protobuf_int(&inner, 1, 150);
    protobuf_message(&p, 3, &inner);
    assert_null(inner.data);
    expect_bytes(&p, "\x1a\x03\x08\x96\x01", 5);
    struct protobuf none = {0};
    protobuf_message(&p, 1, &none);
    expect_bytes(&p, "\x0a\x00", 2);
}

static void test_failure_is_handed_up(void **state)
{
    (void)state;
    struct protobuf p = {0}, inner = {.failed = true};
    protobuf_int(&p, 1, 1);
    protobuf_message(&p, 2, &inner);
    assert_true(p.failed);
    protobuf_text(&p, 3, "nothing");
    assert_int_equal(p.n, 2);
    protobuf_release(&p);
    assert_true(p.failed);
}

/* ---- a decoder ------------------------------------------------------------------------------- */

struct field {
    unsigned number;
    uint64_t value;            /* of a varint, or how many bytes */
    const unsigned char *data; /* NULL for a varint */
};

static uint64_t varint(const unsigned char **at, const unsigned char *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(*at < end && shift < 64);
        value |= (uint64_t)(**at & 0x7f) << shift;
        if (*(*at)++ < 0x80)
            return value;
    }
}

/* The next field, false at the end. */
static bool next(const unsigned char **at, const unsigned char *end, struct field *f)
{
    if (*at == end)
        return false;
    uint64_t key = varint(at, end);
    *f = (struct field){.number = (unsigned)(key >> 3)};
    switch (key & 7) {
    case 0:
        f->value = varint(at, end);
        return true;
    case 2:
        f->value = varint(at, end);
        break;
    case 5:
        f->value = 4;
        break;
    default:
        fail_msg("wire type %u", (unsigned)(key & 7));
    }
    assert_true(f->value <= (uint64_t)(end - *at));
    f->data = *at;
    *at += f->value;
    return true;
}

/* ---- the tensors of a graph ------------------------------------------------------------------ */

struct constant {
    int64_t sizes[3];
    size_t rank;
    unsigned type;
    const unsigned char *raw;
    size_t n_raw;
};

static struct constant read_constant(const struct field *tensor)
{
    struct constant c = {0};
    struct field f;
    const unsigned char *at = tensor->data, *end = at + tensor->value;
    while (next(&at, end, &f))
        if (f.number == 1)
            c.sizes[c.rank++] = (int64_t)f.value;
        else if (f.number == 2)
            c.type = (unsigned)f.value;
        else if (f.number == 9)
            c = (struct constant){
                {c.sizes[0], c.sizes[1], c.sizes[2]}, c.rank, c.type, f.data, f.value};
    return c;
}

/* -1, 0 or +1, or what it is scaled by: element i of a matrix. */
static float element(const struct constant *c, size_t i)
{
    float value;
    if (c->type == 26) {
        int two_bits = c->raw[i / 4] >> 2 * (i % 4) & 3;
        return (float)(two_bits < 2 ? two_bits : two_bits - 4);
    }
    if (c->type == 3)
        return (float)(signed char)c->raw[i];
    memcpy(&value, c->raw + i * sizeof value, sizeof value);
    return value;
}

/* A linear matrix, transposed. */
static void check_matrix(const struct constant *c, const struct model_tern *w,
                         enum to_onnx_weights weights)
{
    assert_int_equal(c->sizes[0], w->cols);
    assert_int_equal(c->sizes[1], w->rows);
    float scale = weights == TO_ONNX_F32 ? w->alpha : 1;
    for (size_t row = 0; row < w->rows; row++)
        for (size_t col = 0; col < w->cols; col++) {
            int code = w->codes[row * DIV_UP(w->cols, 4) + col / 4] >> 2 * (col % 4) & 3;
            assert_true(element(c, col * w->rows + row) == scale * (float)(code - 1));
        }
}

/* The biases of the scores, between what hides a key. */
static void check_biases(const struct constant *c, const struct dims *d, const float *bias)
{
    size_t window = (size_t)d->window;
    assert_int_equal(c->sizes[0], d->heads);
    assert_int_equal(c->sizes[1], window + 2);
    for (size_t head = 0; head < (size_t)d->heads; head++) {
        size_t row = head * (window + 2);
        assert_true(element(c, row) < -1e20f && element(c, row + window + 1) < -1e20f);
        for (size_t i = 0; i < window; i++)
            assert_true(element(c, row + 1 + i) == bias[head * window + i]);
    }
}

static const struct constant *next_table(const struct constant *c, const struct constant *end)
{
    while (c < end && c->rank != 2)
        c++;
    return c;
}

/* The constants of rank 2: embedding, matrices and biases in the order of the tensors. */
static void check_tables(const struct toynet *t, const struct constant *found, size_t n,
                         enum to_onnx_weights weights)
{
    struct model m = t->model;
    const struct constant *end = found + n, *c = next_table(found, end);
    for (size_t i = 0; i < dims_n_tensors(&t->dims); i++) {
        struct tensor s;
        dims_tensor(&t->dims, i, &s);
        if (s.rank != 2)
            continue;
        assert_true(c < end);
        if (s.form == TENSOR_TERNARY)
            check_matrix(c, model_ternary(&m, s.kind, s.block), weights);
        else if (s.kind == TENSOR_DISTANCE)
            check_biases(c, &t->dims, m.block[s.block].distance);
        else
            assert_int_equal(c->sizes[0], t->dims.V);
        c = next_table(c + 1, end);
    }
    assert_true(c == end);
}

/* Name, and sizes but those that are symbols, of an input or output. */
struct described {
    char name[32];
    int64_t sizes[4];
    size_t rank;
};

static bool inside(const struct field *f, unsigned number, struct field *out)
{
    const unsigned char *at = f->data, *end = at + f->value;
    while (next(&at, end, out))
        if (out->number == number)
            return true;
    return false;
}

static struct described read_described(const struct field *value)
{
    struct described d = {.rank = 0};
    struct field name, type, tensor, shape, size;
    assert_true(inside(value, 1, &name) && inside(value, 2, &type) && inside(&type, 1, &tensor) &&
                inside(&tensor, 2, &shape) && name.value < sizeof d.name);
    memcpy(d.name, name.data, name.value);
    const unsigned char *at = shape.data, *end = at + shape.value;
    while (next(&at, end, &size)) {
        struct field number;
        d.sizes[d.rank++] = inside(&size, 1, &number) ? (int64_t)number.value : 0;
    }
    return d;
}

/* A state a block, named and sized alike going in and coming out. */
static void check_state(const struct dims *d, const struct described *found, int l,
                        const char *format)
{
    char name[32];
    snprintf(name, sizeof name, format, l);
    assert_string_equal(found->name, name);
    assert_int_equal(found->rank, 3);
    assert_int_equal(found->sizes[0], 0);
    assert_int_equal(found->sizes[1], to_onnx_state_channels(d, l));
    assert_int_equal(found->sizes[2], to_onnx_state_length(d, l));
}

static void check_graph(const struct toynet *t, const struct field *graph,
                        enum to_onnx_weights weights)
{
    static struct constant constants[1024];
    struct described in, out;
    size_t n = 0, n_nodes = 0;
    int n_inputs = 0, n_outputs = 0;
    struct field f;
    const unsigned char *at = graph->data, *end = at + graph->value;
    while (next(&at, end, &f)) {
        n_nodes += f.number == 1;
        assert_true(n < ARRAY_LEN(constants));
        if (f.number == 5)
            constants[n++] = read_constant(&f);
        if (f.number == 11) {
            in = read_described(&f);
            if (n_inputs++ > 0)
                check_state(&t->dims, &in, n_inputs - 2, "past_conv.%d");
        }
        if (f.number == 12) {
            out = read_described(&f);
            if (n_outputs++ > 0)
                check_state(&t->dims, &out, n_outputs - 2, "present_conv.%d");
        }
    }
    assert_true(n_nodes > 0);
    assert_int_equal(n_inputs, 1 + t->dims.L);
    assert_int_equal(n_outputs, 1 + t->dims.L);
    check_tables(t, constants, n, weights);
}

static void check_file(const struct toynet *t, enum to_onnx_weights weights)
{
    struct err e;
    size_t n;
    const struct to_onnx_options o = {.weights = weights};
    if (to_onnx(&t->model, &o, scratch_path("graph"), NULL, &e))
        fail_msg("%s", e.text);
    unsigned char *file = scratch_read(scratch_path("graph"), &n);
    const unsigned char *at = file;
    bool has_graph = false;
    for (struct field f; next(&at, file + n, &f);) {
        if (f.number == 1)
            assert_int_equal(f.value, weights == TO_ONNX_INT2 ? 13 : 8);
        if (f.number == 7)
            check_graph(t, &f, weights);
        has_graph |= f.number == 7;
    }
    assert_true(has_graph);
    free(file);
}

static void test_graphs(void **state)
{
    (void)state;
    const struct dims sizes[] = {
        toy_dims(61, 6, 7, 3, 2, "1,4"),
        toy_dims(5, 1, 1, 1, 1, "1"),
        toy_mixed(toy_dims(61, 6, 7, 3, 3, "1,1,4"), "attention,conv,conv", 2, 5, 7),
        toy_mixed(toy_dims(5, 1, 1, 1, 1, "1"), "attention", 1, 1, 1024),
    };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct toynet t;
        toynet_open(&t, &sizes[i], NULL, 3, 4, 1, CPU_C);
        for (int w = TO_ONNX_F32; w <= TO_ONNX_INT2; w++)
            check_file(&t, (enum to_onnx_weights)w);
        toynet_close(&t);
    }
}

static void test_state_sizes(void **state)
{
    (void)state;
    struct dims d = toy_dims(61, 6, 7, 3, 2, "1,4");
    assert_int_equal(to_onnx_state_length(&d, 0), 9);
    assert_int_equal(to_onnx_state_channels(&d, 0), 6);
    d = toy_dims(61, 6, 7, 1, 1, "4");
    assert_int_equal(to_onnx_state_length(&d, 0), 1);
    d = toy_mixed(toy_dims(61, 6, 7, 3, 3, "1,1,4"), "attention,conv,conv", 2, 5, 7);
    assert_int_equal(to_onnx_state_length(&d, 0), 7);
    assert_int_equal(to_onnx_state_channels(&d, 0), 10 + 6 + 1);
    assert_int_equal(to_onnx_state_length(&d, 1), 9);
    assert_int_equal(to_onnx_longest_state(&d), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_failure_is_handed_up),
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_state_sizes),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
