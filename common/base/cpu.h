/* cpu.h - instruction sets and floating-point modes of this processor. */
#ifndef CPU_H
#define CPU_H

#include "base/err.h"

/* Levels in ascending order; each includes those before it. */
enum cpu_level {
    CPU_C,          /* plain C for the baseline of the architecture */
    CPU_AVX2,       /* AVX2 + FMA + F16C (x86-64-v3) */
    CPU_AVX512,     /* AVX-512 F, BW, DQ, VL (x86-64-v4) */
    CPU_AVX512VNNI, /* and AVX-512 VNNI */
    CPU_AVX512BF16, /* and AVX-512 BF16 */
    CPU_N_LEVELS
};

/* Lower-case names as --cpu takes them: "c", "avx2", "avx512", "avx512vnni", "avx512bf16". */
extern const char *const cpu_level_names[CPU_N_LEVELS];

/* Highest level that both the processor and the operating system (XGETBV) support. */
enum cpu_level cpu_best(void);

/* Level by name, "auto" being cpu_best(). An unknown name, or one this machine lacks, is an error.
 */
MUST_USE int cpu_parse(const char *name, enum cpu_level *level, struct err *e);

/* Puts the calling thread's floating-point mode to IEEE 754's default (round to nearest, denormals
 * kept, exceptions masked) and returns what it was, for cpu_float_restore. Off x86-64 both do
 * nothing: a thread begins in that mode. */
uint32_t cpu_float_default(void);
void cpu_float_restore(uint32_t mode);

/* Makes denormal floats zero, in and out, for the calling thread (MXCSR FTZ and DAZ). */
void cpu_flush_denormals(void);

#endif
