#include "kern/bench_shapes.h"

#include <string.h>

/* Inference with floats: packed weights in x[1], of whatever floats or codes x[2] holds. */
static void prepare_float_tern(struct bench *b)
{
    const struct shape *s = b->shape;
    memset(b->x[2], 0x24, s->n * s->k / 4); /* codes 0, 1, 2, 0 */
    b->kern->exact.float_tern_pack((const uint8_t *)b->x[2], s->n, s->k, b->x[1]);
}

static void run_float_tern(struct bench *b)
{
    const struct shape *s = b->shape;
    b->kern->exact.float_tern(b->x[1], s->n, s->k, 0.1f, s->m, b->x[0], s->k, b->x[2], s->n);
}

static void prepare_head(struct bench *b, enum number_type type)
{
    uint16_t half = number_f16(0.5f);
    for (size_t i = 0; type == NUMBER_F16 && i < (size_t)V * D; i++)
        memcpy((char *)b->x[2] + 2 * i, &half, sizeof half);
    b->kern->exact.float_head_pack(type, b->x[2], V, D, b->x[1]);
}

static void prepare_head_f32(struct bench *b)
{
    prepare_head(b, NUMBER_F32);
}

static void prepare_head_f16(struct bench *b)
{
    prepare_head(b, NUMBER_F16);
}

static void prepare_head_q8(struct bench *b)
{
    prepare_head(b, NUMBER_Q8);
}

static void run_head(struct bench *b, enum number_type type)
{
    b->kern->exact.float_head(type, b->x[1], b->x[3], V, D, b->shape->m, b->x[0], D, b->x[2], V);
}

static void run_head_f32(struct bench *b)
{
    run_head(b, NUMBER_F32);
}

static void run_head_f16(struct bench *b)
{
    run_head(b, NUMBER_F16);
}

static void run_head_q8(struct bench *b)
{
    run_head(b, NUMBER_Q8);
}

/* Rows that lie far apart. */
static void run_rows_f16(struct bench *b)
{
    uint16_t ids[64];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = (uint16_t)(i * 7919 % V);
    b->kern->exact.float_rows(NUMBER_F16, b->x[2], NULL, D, ids, ARRAY_LEN(ids), b->x[0], b->x[3]);
}

/* A token's: one row. */
static void run_exact_rmsnorm(struct bench *b)
{
    b->kern->exact.rmsnorm(b->x[0], b->x[1], D, 1e-6f, b->x[2]);
}

static void run_exact_conv(struct bench *b)
{
    b->kern->exact.conv(b->x[0] + K * D, D, b->x[1], K, D, b->x[2]);
}

static void run_exact_gate(struct bench *b)
{
    b->kern->exact.gate(b->x[0], b->x[1], D, b->x[2]);
}

static void run_exact_swiglu(struct bench *b)
{
    b->kern->exact.swiglu(b->x[0], b->x[1], WIDE, b->x[2]);
}

/* A row of attention: 6 heads of 32, 64 keys. */
static void run_exact_attend(struct bench *b)
{
    for (size_t h = 0; h < 6; h++) {
        struct kern_attend a = {.query = b->x[0] + 32 * h,
                                .keys = b->x[1] + 32 * 128 * h,
                                .bias = b->x[0] + D,
                                .values = b->x[2] + 32 * h,
                                .n = 64,
                                .key_width = 32,
                                .value_width = 32,
                                .key_stride = 128,
                                .value_stride = D,
                                .scale = 0.18f,
                                .weights = b->x[3] + D,
                                .out = b->x[3] + 32 * h};
        b->kern->exact.attend(&a);
    }
}

#define TERN(m, n, k)                                                                    \
    {                                                                                    \
        "float_tern", #m "x" #n "x" #k, m, n, k, 2.0 * m *n *k, 0, 0, run_float_tern, 0, \
            prepare_float_tern                                                           \
    }
/* One token reads the weights, which is what it costs; many count multiplications and additions. */
#define HEAD(type, bytes)                                                                     \
    {                                                                                         \
        "float_head", "1x10000x192 " #type, 1, V, D, 0, 1.0 * (bytes)*V *D, (bytes)*V *D / 4, \
            run_head_##type, 0, prepare_head_##type                                           \
    }
#define HEAD_ROWS(type, m)                                                                      \
    {                                                                                           \
        "float_head", #m "x10000x192 " #type, m, V, D, 2.0 * m *V *D, 0, 0, run_head_##type, 0, \
            prepare_head_##type                                                                 \
    }

const struct shape bench_exact[] = {
    TERN(1, 192, 192),
    TERN(1, 512, 192),
    TERN(1, 192, 512),
    TERN(32, 512, 192),
    HEAD(f32, 4),
    HEAD(f16, 2),
    HEAD(q8, 1),
    HEAD_ROWS(f32, 32),
    HEAD_ROWS(f16, 32),
    {"float_rows", "64 of 10000x192 f16", 0, 0, 0, 0, 2.0 * 64 * D, 64 * D / 2, run_rows_f16, 0,
     prepare_head_f16},
    BYTES(exact_rmsnorm, "192", 3 * D, 3 * D),
    FLOPS("exact_conv", "192, 8 taps", 0, 0, 0, 2.0 * K * D, run_exact_conv),
    FLOPS("exact_attend", "192, 64 keys", 0, 0, 0, 4.0 * 64 * D, run_exact_attend),
    BYTES(exact_gate, "192", 3 * D, 3 * D),
    BYTES(exact_swiglu, "512", 3 * WIDE, 3 * WIDE),
};
const size_t bench_n_exact = ARRAY_LEN(bench_exact);
