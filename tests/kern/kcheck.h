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

/* One operation: how it is found in the table, and its check. */
struct kcheck_op {
    const char *name;
    size_t offset; /* of the function pointer in struct kern */
    void (*check)(struct kcheck *t);
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

/* The checks, one an operation. */
void kcheck_product(struct kcheck *t);
void kcheck_pack(struct kcheck *t);
void kcheck_operand(struct kcheck *t);
void kcheck_rmsnorm(struct kcheck *t);
void kcheck_rmsnorm_back(struct kcheck *t);
void kcheck_conv(struct kcheck *t);
void kcheck_conv_back(struct kcheck *t);
void kcheck_mul_add(struct kcheck *t);
void kcheck_add(struct kcheck *t);
void kcheck_gate(struct kcheck *t);
void kcheck_gate_back(struct kcheck *t);
void kcheck_swiglu(struct kcheck *t);
void kcheck_swiglu_back(struct kcheck *t);
void kcheck_logsumexp(struct kcheck *t);
void kcheck_softmax(struct kcheck *t);
void kcheck_sum_abs(struct kcheck *t);
void kcheck_sum_sq(struct kcheck *t);
void kcheck_quantise(struct kcheck *t);
void kcheck_adamw(struct kcheck *t);
void kcheck_int8_round(struct kcheck *t);
void kcheck_int8_tern_pack(struct kcheck *t);
void kcheck_int8_tern(struct kcheck *t);
void kcheck_int8_head_pack(struct kcheck *t);
void kcheck_int8_head(struct kcheck *t);
void kcheck_float_tern(struct kcheck *t);
void kcheck_float_head(struct kcheck *t);
void kcheck_exact_rmsnorm(struct kcheck *t);
void kcheck_exact_conv(struct kcheck *t);
void kcheck_exact_gate(struct kcheck *t);
void kcheck_exact_swiglu(struct kcheck *t);
void kcheck_exp(struct kcheck *t);
void kcheck_exact_logsumexp(struct kcheck *t);
void kcheck_argmax(struct kcheck *t);
void kcheck_largest(struct kcheck *t);

#endif
