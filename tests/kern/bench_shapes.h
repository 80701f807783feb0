/* bench_shapes.h - what the stopwatch of bench.c runs: operations at the model's shapes. */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include "kern/kern.h"

enum { ROWS = 64, WIDE = 512, V = 10000, D = 192, K = 8, MILLION = 1 << 20 };

struct bench {
    const struct kern *kern;
    float *x[5]; /* [V * D] each; [4] read by the probe too */
    const struct shape *shape;
};

struct shape {
    const char *op;
    const char *text;
    size_t m, n, k;
    double flops; /* of one run; 0: the bytes count */
    double bytes; /* read and written by one run */
    size_t held;  /* floats it works on: what its limit reads */
    void (*run)(struct bench *b);
    double macs;                      /* of one run of int8 */
    void (*prepare)(struct bench *b); /* the operands, where floats will not do */
};

#define FLOPS(op, text, m, n, k, flops, run)         \
    {                                                \
        op, text, m, n, k, flops, 0, 0, run, 0, NULL \
    }
#define BYTES(op, text, moved, held)                                  \
    {                                                                 \
#op, text, 0, 0, 0, 0, 4.0 * (moved), held, run_##op, 0, NULL \
    }

extern const struct shape bench_exact[]; /* of inference with floats: bench_exact.c */
extern const size_t bench_n_exact;

#endif
