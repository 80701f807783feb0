#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif

const char *const cpu_level_names[CPU_N_LEVELS] = {"c", "avx2", "avx512", "avx512vnni",
                                                   "avx512bf16"};

#if defined(__x86_64__)
/* Register state the operating system saves and restores (XCR0). */
static uint64_t saved_state(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint32_t reg, uint32_t bits)
{
    return (reg & bits) == bits;
}

enum cpu_level cpu_best(void)
{
    enum { YMM_STATE = 0x6, ZMM_STATE = 0xe6 };
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return CPU_C;
    uint64_t state = saved_state();
    if ((state & YMM_STATE) != YMM_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return CPU_C;
    if ((state & ZMM_STATE) != ZMM_STATE ||
        !has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return CPU_AVX2;
    if (!has(c, bit_AVX512VNNI))
        return CPU_AVX512;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !has(a, bit_AVX512BF16))
        return CPU_AVX512VNNI;
    return CPU_AVX512BF16;
}

void cpu_flush_denormals(void)
{
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
}

uint32_t cpu_float_default(void)
{
    enum { DEFAULT = 0x1f80 };
    uint32_t mode = _mm_getcsr();
    _mm_setcsr(DEFAULT);
    return mode;
}

void cpu_float_restore(uint32_t mode)
{
    _mm_setcsr(mode);
}
#else
enum cpu_level cpu_best(void)
{
    return CPU_C;
}

void cpu_flush_denormals(void)
{
}

uint32_t cpu_float_default(void)
{
    return 0;
}

void cpu_float_restore(uint32_t mode)
{
    (void)mode;
}
#endif

int cpu_parse(const char *name, enum cpu_level *level, struct err *e)
{
    enum cpu_level best = cpu_best();
    if (strcmp(name, "auto") == 0) {
        *level = best;
        return 0;
    }
    for (int i = 0; i < CPU_N_LEVELS; i++) {
        if (strcmp(name, cpu_level_names[i]) != 0)
            continue;
        if (i > (int)best)
            return err_set(e, "this processor has no %s (its best level is %s)", name,
                           cpu_level_names[best]);
        *level = (enum cpu_level)i;
        return 0;
    }
    return err_set(e,
                   "unknown instruction set '%.40s' (expected auto, c, avx2, avx512, avx512vnni or "
                   "avx512bf16)",
                   name);
}
