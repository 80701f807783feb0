/* kcheck.h - what the checks of the operations share.
 *
 * A check runs one operation of a table on many cases and compares with a reference of its own in
 * double precision, or bit by bit. The first failure is kept with the case it happened in. */
#ifndef KCHECK_H
#define KCHECK_H

#include <float.h>
#include <setjmp.h>

#include "base/rng.h"
#include "kern/buffers.h"
#include "kern/kern.h"

/* Half a unit in the last place of a float near 1: the largest relative error of one rounding. */
#define ROUNDING 0x1p-24
#define EXP_ERROR 2e-7 /* relative error that fmath.h promises for e^x */

enum kcheck_data {
    KCHECK_RANDOM, /* uniform in [-1, 1] */
    KCHECK_WHOLE,  /* whole numbers, -8 to 8: sums and products are exact */
    KCHECK_ZERO,   /* 0 and -0 */
    KCHECK_TINY,   /* around the smallest normal float, denormals too */
    KCHECK_LARGE,  /* near the limit that the check names */
    KCHECK_MIXED,  /* magnitudes from 2^-40 to 2^40 beside each other */
    KCHECK_N_DATA
};

struct kcheck {
    const struct kern *kern; /* the level under test */
    struct rng rng;
    enum kcheck_data data;
    bool brief;      /* of operations with thousands of cases, one in eight */
    bool flush;      /* denormals are zero during the call, as the programs run */
    char where[128]; /* the case that is running */
    uint64_t n_cases;
    double worst; /* largest |got - want| in units of its bound */
    bool failed;
    char failure[320];
};

/* THE list: OP(name, member of struct kern), one line an operation. From it come the checks, the
 * faults, what the stopwatch asks for, and what tests/cli/kcheck.bats walks. */
#define KCHECK_OPS(OP)                       \
    OP(product, product)                     \
    OP(pack, pack)                           \
    OP(operand, operand)                     \
    OP(rmsnorm, rmsnorm)                     \
    OP(rmsnorm_back, rmsnorm_back)           \
    OP(conv, conv)                           \
    OP(conv_back, conv_back)                 \
    OP(conv_taps, conv_taps)                 \
    OP(gate, gate)                           \
    OP(gate_back, gate_back)                 \
    OP(swiglu, swiglu)                       \
    OP(swiglu_back, swiglu_back)             \
    OP(add, add)                             \
    OP(logsumexp, logsumexp)                 \
    OP(maximum, maximum)                     \
    OP(powers, powers)                       \
    OP(attend, attend)                       \
    OP(sum_abs, sum_abs)                     \
    OP(sum_sq, sum_sq)                       \
    OP(quantise, quantise)                   \
    OP(adamw, adamw)                         \
    OP(nesterov, nesterov)                   \
    OP(descend, descend)                     \
    OP(axpby, axpby)                         \
    OP(transpose, transpose)                 \
    OP(int8_round, exact.int8_round)         \
    OP(int8_tern_pack, exact.int8_tern_pack) \
    OP(int8_tern, exact.int8_tern)           \
    OP(int8_head_pack, exact.int8_head_pack) \
    OP(int8_head, exact.int8_head)           \
    OP(float_tern, exact.float_tern)         \
    OP(float_head, exact.float_head)         \
    OP(float_rows, exact.float_rows)         \
    OP(exact_rmsnorm, exact.rmsnorm)         \
    OP(exact_conv, exact.conv)               \
    OP(exact_gate, exact.gate)               \
    OP(exact_swiglu, exact.swiglu)           \
    OP(exact_attend, exact.attend)           \
    OP(exact_logsumexp, exact.logsumexp)     \
    OP(exp, exact.exp)                       \
    OP(argmax, exact.argmax)                 \
    OP(largest, exact.largest)               \
    OP(reaching, exact.reaching)

typedef void kcheck_fault(struct kern *k);

/* One operation: how it is found in the table, its check, and how it is broken (faults.h). */
struct kcheck_op {
    const char *name;
    size_t offset; /* of the function pointer in struct kern */
    void (*check)(struct kcheck *t);
    kcheck_fault *fault;
};
extern const struct kcheck_op kcheck_ops[];
extern const size_t kcheck_n_ops;

/* The table of a level as it is in f32 or, by kern_use_bf16, in bf16. */
void kcheck_table(struct kern *k, const struct cpu_level *level, bool bf16);

/* True if that table has a function of its own here: none lower has it, nor the same level in f32.
 */
bool kcheck_is_new(const struct cpu_level *level, bool bf16, const struct kcheck_op *op);

/* Names the case that begins. */
void kcheck_case(struct kcheck *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* True for a case that a brief check leaves out. */
bool kcheck_skips(struct kcheck *t);

/* Notes a failure; only the first one of an operation is kept. */
void kcheck_fail(struct kcheck *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* |got - want| <= bound, or a failure; NaN never is within a bound. */
void kcheck_near(struct kcheck *t, const char *what, size_t index, double got, double want,
                 double bound);

/* The same bits. */
void kcheck_same(struct kcheck *t, const char *what, const void *got, const void *want,
                 size_t bytes);

/* Fails unless all n floats are NaN. */
void kcheck_all_nan(struct kcheck *t, const char *what, const float *x, size_t n);

/* Operands of n floats: inputs filled according to t->data, magnitudes up to limit; arguments of a
 * sigmoid (extremes: 30, 100 and where e^x ends); outputs full of NaN, so that a missing element is
 * seen; operands that are both. */
float *kcheck_input(struct kcheck *t, size_t n, float limit);
float *kcheck_gates(struct kcheck *t, size_t n);
float *kcheck_output(struct kcheck *t, size_t n);
float *kcheck_in_out(struct kcheck *t, size_t n, float limit);
void kcheck_fill(struct kcheck *t, float *x, size_t n, float limit);

/* Between filling the operands and the call: remembers what they hold and sets t->flush. */
void kcheck_seal(struct kcheck *t);

/* Copy of an operand as it was before the call. */
const float *kcheck_before(const float *operand);

/* After a call: nothing but outputs has changed. */
void kcheck_untouched(struct kcheck *t);

/* Runs `one` for every awkward size from `least` up, every place of the operands, every kind of
 * data, with denormals kept and flushed. */
void kcheck_sweep(struct kcheck *t, size_t least, void (*one)(struct kcheck *t, size_t n));

extern const size_t kcheck_sizes[];
extern const size_t kcheck_n_sizes;

/* Denormals flushed to zero in this thread, or kept. */
void kcheck_flush(bool flush);

/* The checks, one an operation, and what breaks it in a table. */
#define OP(name, member)                  \
    void kcheck_##name(struct kcheck *t); \
    void faults_##name(struct kern *k);
KCHECK_OPS(OP)
#undef OP

#endif
