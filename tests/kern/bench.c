/* bench.c - a stopwatch on every operation.
 *
 * Figures of a shared machine wander by a third within seconds. So each measurement is a few short
 * runs of the operation, each with a run of its limit right before it; the medians of both are
 * printed, and the median of their ratios: for products multiply-adds in registers (kern->spin;
 * int8_spin), for the rest the reading of as many bytes as the operation works on, from whichever
 * cache holds so many. */
#include "kern/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cpu.h"
#include "cli/cli.h"
#include "kern/bench_shapes.h"
#include "kern/kcheck.h"
#include "kern/probe.h"
#include "os/clock.h"
#include "os/pages.h"

enum { N_RUNS = 11 };
static const double RUN_SECONDS = 1.5e-3;

/* ---- what is run ----------------------------------------------------------------------------- */

/* Sizes are in numbers; a product sums over cells. */
static void product(struct bench *b, size_t a_row, size_t a_col, size_t b_stride, bool add)
{
    const struct shape *s = b->shape;
    b->kern->product(s->m, s->n, s->k / b->kern->unit, b->x[0], a_row, a_col,
                     (struct kern_b){b->x[1], b_stride, false}, b->x[2], s->n, add);
}

static void run_packed(struct bench *b)
{
    product(b, b->shape->k / b->kern->unit, 1, 0, false);
}

static void run_rows(struct bench *b)
{
    product(b, b->shape->k / b->kern->unit, 1, b->shape->n, false);
}

/* A gradient of weights: the transposed A is a slice of a wider matrix. */
static void run_transposed(struct bench *b)
{
    product(b, 1, D, b->shape->n, true);
}

static void run_pack(struct bench *b)
{
    b->kern->pack(b->x[0], b->shape->n, b->shape->k, 0, b->shape->n, b->x[1]);
}

static void run_operand(struct bench *b)
{
    b->kern->operand(b->x[0], ROWS, WIDE, b->x[1], b->x[2]);
}

static void run_rmsnorm(struct bench *b)
{
    float rstd;
    for (size_t r = 0; r < ROWS; r++)
        b->kern->rmsnorm(b->x[0] + r * D, b->x[1], D, 1e-6f, b->x[2] + r * D, &rstd);
}

static void run_rmsnorm_back(struct bench *b)
{
    for (size_t r = 0; r < ROWS; r++)
        b->kern->rmsnorm_back(b->x[0] + r * D, b->x[1], 1e-3f, b->x[2] + r * D, D, b->x[3] + r * D,
                              b->x[1] + D);
}

static struct kern_conv conv_shape(const struct bench *b)
{
    return (struct kern_conv){b->x[1], K, D, ROWS, 1, D};
}

static void run_conv(struct bench *b)
{
    struct kern_conv o = conv_shape(b);
    b->kern->conv(&o, b->x[0] + K * D, b->x[2]);
}

static void run_conv_back(struct bench *b)
{
    struct kern_conv o = conv_shape(b);
    b->kern->conv_back(&o, b->x[0], b->x[2]);
}

static void run_conv_taps(struct bench *b)
{
    struct kern_conv o = conv_shape(b);
    b->kern->conv_taps(&o, b->x[4], b->x[0] + K * D, b->x[2]);
}

static void run_add(struct bench *b)
{
    b->kern->add(b->x[0], ROWS * WIDE, b->x[2]);
}

static void run_gate(struct bench *b)
{
    b->kern->gate(b->x[0], b->x[1], ROWS * WIDE, b->x[2]);
}

static void run_gate_back(struct bench *b)
{
    b->kern->gate_back(b->x[0], b->x[1], b->x[4], ROWS * WIDE, b->x[2], b->x[3],
                       b->x[3] + ROWS * WIDE);
}

static void run_swiglu(struct bench *b)
{
    b->kern->swiglu(b->x[0], b->x[1], ROWS * WIDE, b->x[2]);
}

static void run_swiglu_back(struct bench *b)
{
    b->kern->swiglu_back(b->x[0], b->x[1], b->x[4], ROWS * WIDE, b->x[2], b->x[3],
                         b->x[3] + ROWS * WIDE);
}

static volatile double result;

static void run_logsumexp(struct bench *b)
{
    for (size_t r = 0; r < 32; r++)
        result = (double)b->kern->logsumexp(b->x[0] + r * V, V);
}

static void run_maximum(struct bench *b)
{
    result = (double)b->kern->maximum(b->x[0], V);
}

static void run_powers(struct bench *b)
{
    static const float level[32];
    float sum[32] = {0};
    b->kern->powers(b->x[0], V, 32, V, level, sum, b->x[1], b->x[2], V);
    result = (double)sum[0];
}

static void run_attend(struct bench *b)
{
    for (size_t i = 0; i < 32; i++)
        b->kern->attend(b->x[0] + i * 96, b->x[1] + i * 96, 0.18f, 96);
}

static void run_sum_abs(struct bench *b)
{
    result = b->kern->sum_abs(b->x[0], D * WIDE);
}

static void run_sum_sq(struct bench *b)
{
    result = b->kern->sum_sq(b->x[0], D * WIDE);
}

static void run_quantise(struct bench *b)
{
    b->kern->quantise(b->x[0], D * WIDE, 0.5f, 0.5f, b->x[1]);
}

static void run_adamw(struct bench *b)
{
    const struct kern_adamw o = {4e-3f, 0.9f, 0.95f, 1e-8f, 0.01f, 0.5f, 0.5f, 1};
    b->kern->adamw(b->x[0], b->x[1], b->x[2], b->x[3], MILLION, &o);
}

static void run_nesterov(struct bench *b)
{
    b->kern->nesterov(b->x[0], b->x[1], D * WIDE, 0.95f, b->x[2]);
}

static void run_descend(struct bench *b)
{
    const struct kern_descend o = {0.02f, 0.1f};
    b->kern->descend(b->x[0], b->x[1], D * WIDE, &o);
}

static void run_axpby(struct bench *b)
{
    b->kern->axpby(0.5f, b->x[0], -0.5f, D * D, b->x[1]);
}

static void run_transpose(struct bench *b)
{
    b->kern->transpose(b->x[0], D, D, D, b->x[1], D);
}

/* int8: q in x[0], scales of its rows in x[4], packed weights in x[1], their scales in x[3]. */
static void prepare_int8(struct bench *b)
{
    const struct kern_exact *k = &b->kern->exact;
    const struct shape *s = b->shape;
    struct rng r;
    rng_seed(&r, 2, 0);
    int8_t *bytes = (int8_t *)b->x[2];
    for (size_t i = 0; i < s->n * s->k; i++)
        bytes[i] = (int8_t)(rng_below(&r, 255) - 127);
    if (s->n == V) {
        k->int8_head_pack(bytes, s->n, s->k, b->x[1]);
    } else {
        memset(bytes, 0x24, s->n * s->k / 4); /* codes 0, 1, 2, 0 */
        k->int8_tern_pack((const uint8_t *)bytes, s->n, s->k, b->x[1]);
    }
    for (size_t i = 0; i < s->m; i++)
        k->int8_round(b->x[3] + i * s->k, s->k, (int8_t *)b->x[0] + i * s->k,
                      (struct kern_int8_row *)b->x[4] + i);
}

static void run_int8_tern_pack(struct bench *b)
{
    b->kern->exact.int8_tern_pack((const uint8_t *)b->x[2], WIDE, D, b->x[1]);
}

static void run_int8_head_pack(struct bench *b)
{
    b->kern->exact.int8_head_pack((const int8_t *)b->x[2], WIDE, D, b->x[1]);
}

static void run_int8_tern(struct bench *b)
{
    const struct shape *s = b->shape;
    b->kern->exact.int8_tern(b->x[1], s->n, s->k, 0.1f, s->m, (const int8_t *)b->x[0], s->k,
                             (const struct kern_int8_row *)b->x[4], b->x[2], s->n);
}

static void run_int8_head(struct bench *b)
{
    const struct shape *s = b->shape;
    b->kern->exact.int8_head(b->x[1], b->x[3], s->n, s->k, s->m, (const int8_t *)b->x[0], s->k,
                             (const struct kern_int8_row *)b->x[4], b->x[2], s->n);
}

static void run_int8_round(struct bench *b)
{
    for (size_t r = 0; r < ROWS; r++)
        b->kern->exact.int8_round(b->x[0] + r * D, D, (int8_t *)b->x[2] + r * D,
                                  (struct kern_int8_row *)b->x[4]);
}

/* One row of logits, as a sampler reads them: in the cache. */
static void run_exp(struct bench *b)
{
    b->kern->exact.exp(b->x[0], V, b->x[1]);
}

static void run_exact_logsumexp(struct bench *b)
{
    result = (double)b->kern->exact.logsumexp(b->x[0], V);
}

static void run_argmax(struct bench *b)
{
    result = (double)b->kern->exact.argmax(b->x[0], V);
}

static void run_largest(struct bench *b)
{
    result = (double)b->kern->exact.largest(b->x[0], V, 50, (uint16_t *)b->x[1]);
}

static void run_reaching(struct bench *b)
{
    result = (double)b->kern->exact.reaching(b->x[0], V, 0.5f, b->x[3], 0.5f, b->x[3] + V, 2,
                                             (uint16_t *)b->x[1]);
}

#define PRODUCT(m, n, k, note, run) \
    FLOPS("product", #m "x" #n "x" #k note, m, n, k, 2.0 * m * n * k, run)
#define INT8(op, m, n, k)                                                              \
    {                                                                                  \
#op, #m "x" #n "x" #k, m, n, k, 0, 0, 0, run_##op, 1.0 * m *n *k, prepare_int8 \
    }

static const struct shape shapes[] = {
    PRODUCT(64, 384, 192, "", run_packed),
    PRODUCT(64, 512, 192, "", run_packed),
    PRODUCT(64, 192, 512, "", run_packed),
    PRODUCT(64, 192, 192, "", run_packed),
    PRODUCT(32, 10000, 192, "", run_packed),
    PRODUCT(32, 192, 10000, ", B in rows", run_rows),
    PRODUCT(48, 192, 2048, ", A transposed", run_transposed),
    {"pack", "512x192", 0, WIDE, D, 0, 4.0 * 2 * WIDE *D, 2 * WIDE *D, run_pack, 0, NULL},
    BYTES(operand, "64x512", 2 * ROWS * WIDE, 2 * ROWS * WIDE),
    BYTES(rmsnorm, "64x192", 2 * ROWS * D, 2 * ROWS * D),
    BYTES(rmsnorm_back, "64x192", 4 * ROWS * D, 3 * ROWS * D),
    FLOPS("conv", "64x192, 8 taps", 0, 0, 0, 2.0 * K * ROWS * D, run_conv),
    FLOPS("conv_back", "64x192, 8 taps", 0, 0, 0, 2.0 * K * ROWS * D, run_conv_back),
    FLOPS("conv_taps", "64x192, 8 taps", 0, 0, 0, 2.0 * K * ROWS * D, run_conv_taps),
    BYTES(add, "64x512", 3 * ROWS * WIDE, 2 * ROWS * WIDE),
    BYTES(gate, "64x512", 3 * ROWS * WIDE, 3 * ROWS * WIDE),
    BYTES(gate_back, "64x512", 6 * ROWS * WIDE, 6 * ROWS * WIDE),
    BYTES(swiglu, "64x512", 3 * ROWS * WIDE, 3 * ROWS * WIDE),
    BYTES(swiglu_back, "64x512", 6 * ROWS * WIDE, 6 * ROWS * WIDE),
    BYTES(logsumexp, "32x10000", 32 * V, 32 * V),
    BYTES(maximum, "10000", V, V),
    BYTES(powers, "32x10000", 2 * 32 * V, 32 * V),
    BYTES(attend, "32x96", 4 * 32 * 96, 2 * 32 * 96),
    BYTES(sum_abs, "512x192", D *WIDE, D *WIDE),
    BYTES(sum_sq, "512x192", D *WIDE, D *WIDE),
    BYTES(quantise, "512x192", 2 * D * WIDE, 2 * D * WIDE),
    BYTES(adamw, "1048576", 7 * MILLION, 4 * MILLION),
    BYTES(nesterov, "512x192", 4 * D * WIDE, 3 * D * WIDE),
    BYTES(descend, "512x192", 3 * D * WIDE, 2 * D * WIDE),
    BYTES(axpby, "192x192", 3 * D * D, 2 * D * D),
    BYTES(transpose, "192x192", 2 * D * D, 2 * D * D),
    INT8(int8_tern, 1, 192, 192),
    INT8(int8_tern, 1, 512, 192),
    INT8(int8_tern, 1, 192, 512),
    INT8(int8_tern, 32, 192, 192),
    INT8(int8_tern, 32, 512, 192),
    INT8(int8_tern, 32, 192, 512),
    INT8(int8_head, 1, 10000, 192),
    INT8(int8_head, 32, 10000, 192),
    {"int8_tern_pack", "512x192", 0, WIDE, D, 0, 0.5 * WIDE *D, WIDE *D / 8, run_int8_tern_pack, 0,
     prepare_int8},
    {"int8_head_pack", "512x192", 0, WIDE, D, 0, 2.0 * WIDE *D, WIDE *D / 2, run_int8_head_pack, 0,
     prepare_int8},
    BYTES(int8_round, "64x192", ROWS *D * 5 / 4, ROWS *D),
    BYTES(exp, "10000", 2 * V, V),
    BYTES(exact_logsumexp, "10000", V, V),
    BYTES(argmax, "10000", V, V),
    BYTES(largest, "10000, 50", V, V),
    BYTES(reaching, "10000", 3 * V, 3 * V),
};

/* ---- the stopwatch --------------------------------------------------------------------------- */

/* What a shape counts: operations, multiply-accumulates or bytes. */
static double work_of(const struct shape *s)
{
    return s->flops > 0 ? s->flops : s->macs > 0 ? s->macs : s->bytes;
}

static double run_op(struct bench *b)
{
    b->shape->run(b);
    return work_of(b->shape);
}

static double run_limit(struct bench *b)
{
    if (b->shape->flops > 0)
        return b->kern->spin(1000);
    if (b->shape->macs > 0)
        return b->kern->exact.int8_spin(1000);
    return probe_read(b->kern->level, b->x[0], ALIGN_UP(b->shape->held, 256));
}

/* Operations or bytes a second, over `times` calls. */
static double rate(double (*call)(struct bench *b), struct bench *b, size_t times)
{
    double done = 0;
    double start = clock_seconds();
    for (size_t i = 0; i < times; i++)
        done += call(b);
    return done / (clock_seconds() - start);
}

/* How many calls take about RUN_SECONDS. */
static size_t calls_of(double (*call)(struct bench *b), struct bench *b)
{
    size_t times = 1;
    for (;; times *= 2) {
        double start = clock_seconds();
        for (size_t i = 0; i < times; i++)
            call(b);
        double seconds = clock_seconds() - start;
        if (seconds > RUN_SECONDS / 4)
            return 1 + (size_t)((double)times * RUN_SECONDS / seconds);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double x[N_RUNS])
{
    qsort(x, N_RUNS, sizeof *x, ascending);
    return x[N_RUNS / 2];
}

static void print(const struct bench *b, double speed, double limit, double share)
{
    const char *level = b->kern->level->name;
    const char *precision = b->kern->unit == 2 ? "bf16" : "f32";
    bool flops = b->shape->flops > 0;
    bool macs = b->shape->macs > 0;
    if (cli.json) {
        struct cli_json j;
        cli_json_begin(&j, stdout);
        cli_json_text(&j, "level", level);
        cli_json_text(&j, "precision", precision);
        cli_json_text(&j, "op", b->shape->op);
        cli_json_text(&j, "shape", b->shape->text);
        cli_json_real(&j, flops ? "gflops" : macs ? "gmacs" : "gb_s", speed * 1e-9);
        cli_json_real(&j, "limit", limit * 1e-9);
        cli_json_real(&j, "share", share);
        cli_json_end(&j);
    } else {
        printf("%-11s%-5s%-16s%-24s%8.1f %-8s%5.0f %% of %7.1f\n", level, precision, b->shape->op,
               b->shape->text, speed * 1e-9,
               flops  ? "GFLOP/s"
               : macs ? "GMAC/s"
                      : "GB/s",
               100 * share, limit * 1e-9);
    }
}

static void measure(struct bench *b)
{
    double speed[N_RUNS];
    double limit[N_RUNS];
    double share[N_RUNS];
    size_t op_calls = calls_of(run_op, b);
    size_t limit_calls = calls_of(run_limit, b);
    for (size_t i = 0; i < N_RUNS; i++) {
        limit[i] = rate(run_limit, b, limit_calls);
        speed[i] = rate(run_op, b, op_calls);
        share[i] = speed[i] / limit[i];
    }
    print(b, median(speed), median(limit), median(share));
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void fill(struct bench *b)
{
    struct rng r;
    rng_seed(&r, 1, 0);
    for (size_t a = 0; a < ARRAY_LEN(b->x); a++)
        for (size_t i = 0; i < (size_t)V * D; i++)
            b->x[a][i] = (float)rng_unit(&r) + 0.1f;
}

/* Times the shapes of a list that are of this operation; returns how many they are. */
static size_t measure_op(struct bench *b, const char *op, const struct shape *list, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(op, list[i].op) != 0)
            continue;
        count++;
        b->shape = &list[i];
        if (b->shape->prepare)
            b->shape->prepare(b);
        measure(b);
        if (b->shape->prepare)
            fill(b);
    }
    return count;
}

/* Every operation that is new in this table, or only `op`. */
static int measure_table(struct bench *b, const char *op, struct err *e)
{
    fill(b);
    for (size_t i = 0; i < kcheck_n_ops; i++) {
        const char *name = kcheck_ops[i].name;
        if ((op && strcmp(op, name) != 0) ||
            !kcheck_is_new(b->kern->level, b->kern->unit == 2, &kcheck_ops[i]))
            continue;
        if (measure_op(b, name, shapes, ARRAY_LEN(shapes)) +
                measure_op(b, name, bench_exact, bench_n_exact) ==
            0)
            return err_set(e, "%s: there is no shape to time it at (bench.c)", name);
    }
    return 0;
}

int bench_run(const struct cpu_level *last, const char *op, struct err *e)
{
    struct arena arena;
    struct bench b;
    if (arena_init(&arena, &pages_memory, ARRAY_LEN(b.x) * V * D * sizeof(float), e))
        return -1;
    for (size_t a = 0; a < ARRAY_LEN(b.x); a++)
        b.x[a] = arena_alloc(&arena, (size_t)V * D, sizeof(float));
    cpu_flush_denormals(); /* as the programs run */
    int status = 0;
    for (const struct cpu_level *l = CPU_C; status == 0 && l && l <= last; l = cpu_next(l))
        for (int bf16 = 0; status == 0 && bf16 < 2; bf16++) {
            struct kern kern;
            kcheck_table(&kern, l, bf16);
            b.kern = &kern;
            status = measure_table(&b, op, e);
        }
    arena_release(&arena);
    return status;
}
