/* cpu.h - what a processor may have beyond the baseline of its architecture, the names by which a
 * person asks for it (--cpu), and the floating-point mode of a thread.
 *
 * Inside, only features count, one bit each; those of an architecture mean nothing to another. A
 * level is a name for a set of them. */
#ifndef CPU_H
#define CPU_H

#include "base/err.h"

enum cpu_feature {
    CPU_V128 = 1 << 8, /* vectors of 128 bits, as the compiler has them: every machine */
    /* x86-64 */
    CPU_X86_AVX2 = 1 << 0,   /* AVX2, FMA, F16C (x86-64-v3) */
    CPU_X86_AVX512 = 1 << 1, /* AVX-512 F, BW, DQ, VL (x86-64-v4) */
    CPU_X86_VNNI = 1 << 2,   /* AVX-512 VNNI */
    CPU_X86_BF16 = 1 << 3,   /* AVX-512 BF16 */
    /* 64-bit ARM */
    CPU_ARM_NEON = 1 << 4,    /* Advanced SIMD, which every one has */
    CPU_ARM_DOTPROD = 1 << 5, /* sdot (ARMv8.4, many from 8.2 on) */
};

struct cpu_level {
    const char *name;
    uint32_t features; /* of enum cpu_feature */
};

/* All levels of all architectures; of two that a machine has, the later one is the better. */
enum { CPU_N_LEVELS = 8 };
extern const struct cpu_level cpu_levels[CPU_N_LEVELS];
#define CPU_LEVEL_NAMES "c, v128, avx2, avx512, avx512vnni, avx512bf16, neon or dotprod"

/* Plain C, which every machine has. */
#define CPU_C (&cpu_levels[0])

/* The best level this machine has. */
const struct cpu_level *cpu_best(void);

/* The levels this machine has, from CPU_C up: the one after `level`, NULL after the last. */
const struct cpu_level *cpu_next(const struct cpu_level *level);

/* A level by name, "auto" being the best. An unknown name, or one this machine lacks, is an error.
 */
MUST_USE int cpu_parse(const char *name, const struct cpu_level **level, struct err *e);

/* Sets the floating-point mode of the calling thread to IEEE 754's default (round to nearest,
 * denormals kept, exceptions masked) and returns what it was, for cpu_float_restore. For x86-64
 * (MXCSR) and 64-bit ARM (FPCR); elsewhere these functions do nothing, since a thread begins in the
 * default mode. */
uint32_t cpu_float_default(void);
void cpu_float_restore(uint32_t mode);

/* Makes denormal floats zero, in and out (x86-64: FTZ and DAZ; ARM: FZ). */
void cpu_flush_denormals(void);

#endif
