/* Graphs of ONNX: the encoding of protobuf by its own examples, and the tensors of a graph read
 * back by a decoder of the wire format written here. What a graph computes is tested in onnxruntime
 * (tests/runtimes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "export/protobuf.h"
#include "export/to_onnx.h"
#include "support/scratch.h"
#include "support/toy.h"

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

/* The matrices of a block in the order in which a token meets them, transposed. */
static void check_matrices(const struct toy *t, const struct constant *found, size_t n,
                           enum to_onnx_weights weights)
{
    size_t n_matrices = 0;
    for (size_t k = 0; k < n; k++) {
        if (found[k].rank != 2 || found[k].sizes[0] == t->dims.V)
            continue;
        const struct model_block *b = &t->model.block[n_matrices / 5];
        const struct model_tern *all[] = {&b->mixer_up, &b->mixer_down, &b->ffn_gate, &b->ffn_up,
                                          &b->ffn_down};
        const struct model_tern *w = all[n_matrices++ % 5];
        assert_int_equal(found[k].sizes[0], w->cols);
        assert_int_equal(found[k].sizes[1], w->rows);
        float scale = weights == TO_ONNX_F32 ? w->alpha : 1;
        for (size_t row = 0; row < w->rows; row++)
            for (size_t c = 0; c < w->cols; c++) {
                int code = w->codes[row * DIV_UP(w->cols, 4) + c / 4] >> 2 * (c % 4) & 3;
                assert_true(element(&found[k], c * w->rows + row) == scale * (float)(code - 1));
            }
    }
    assert_int_equal(n_matrices, 5 * t->dims.L);
}

static void check_graph(const struct toy *t, const struct field *graph,
                        enum to_onnx_weights weights)
{
    static struct constant constants[1024];
    size_t n = 0, n_inputs = 0, n_outputs = 0, n_nodes = 0;
    struct field f;
    const unsigned char *at = graph->data, *end = at + graph->value;
    while (next(&at, end, &f)) {
        n_nodes += f.number == 1;
        n_inputs += f.number == 11;
        n_outputs += f.number == 12;
        assert_true(n < ARRAY_LEN(constants));
        if (f.number == 5)
            constants[n++] = read_constant(&f);
    }
    assert_true(n_nodes > 0);
    assert_int_equal(n_inputs, 1 + t->dims.L);
    assert_int_equal(n_outputs, 1 + t->dims.L);
    check_matrices(t, constants, n, weights);
}

static void check_file(const struct toy *t, enum to_onnx_weights weights)
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

static void test_matrices(void **state)
{
    (void)state;
    const struct dims sizes[] = {toy_dims(61, 6, 7, 3, 2, "1,4"), toy_dims(5, 1, 1, 1, 1, "1")};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct toy t;
        toy_open(&t, &sizes[i], NULL, 3, 4, 1, CPU_C);
        for (int w = TO_ONNX_F32; w <= TO_ONNX_INT2; w++)
            check_file(&t, (enum to_onnx_weights)w);
        toy_close(&t);
    }
}

static void test_state_length(void **state)
{
    (void)state;
    struct dims d = toy_dims(61, 6, 7, 3, 2, "1,4");
    assert_int_equal(to_onnx_state_length(&d), 9);
    d = toy_dims(61, 6, 7, 1, 1, "4");
    assert_int_equal(to_onnx_state_length(&d), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_failure_is_handed_up),
        cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_state_length),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
