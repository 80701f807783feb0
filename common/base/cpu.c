#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* ---- levels ---------------------------------------------------------------------------------- */

enum {
    AVX2 = CPU_V128 | CPU_X86_AVX2,
    AVX512 = AVX2 | CPU_X86_AVX512,
    VNNI = AVX512 | CPU_X86_VNNI,
    BF16 = VNNI | CPU_X86_BF16,
    NEON = CPU_V128 | CPU_ARM_NEON,
    DOTPROD = NEON | CPU_ARM_DOTPROD,
};

const struct cpu_level cpu_levels[CPU_N_LEVELS] = {
    {"c", 0},           {"v128", CPU_V128},   {"avx2", AVX2},
    {"avx512", AVX512}, {"avx512vnni", VNNI}, {"avx512bf16", BF16},
    {"neon", NEON},     {"dotprod", DOTPROD},
};

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

/* Of this processor, where the operating system supports them too. */
static uint32_t features_here(void)
{
    enum { YMM_STATE = 0x6, ZMM_STATE = 0xe6 };
    uint32_t a, b, c, d;
    uint32_t features = CPU_V128;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return features;
    uint64_t state = saved_state();
    if ((state & YMM_STATE) != YMM_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return features;
    features |= CPU_X86_AVX2;
    if ((state & ZMM_STATE) != ZMM_STATE ||
        !has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return features;
    features |= CPU_X86_AVX512;
    if (has(c, bit_AVX512VNNI))
        features |= CPU_X86_VNNI;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, bit_AVX512BF16))
        features |= CPU_X86_BF16;
    return features;
}

#elif defined(__aarch64__)
static uint32_t features_here(void)
{
    uint32_t features = CPU_V128 | CPU_ARM_NEON;
#if defined(__ARM_FEATURE_DOTPROD)
    features |= CPU_ARM_DOTPROD;
#elif defined(__linux__)
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        features |= CPU_ARM_DOTPROD;
#endif
    return features;
}
#else
static uint32_t features_here(void)
{
    return CPU_V128;
}
#endif

const struct cpu_level *cpu_next(const struct cpu_level *level)
{
    uint32_t have = features_here();
    while (++level < cpu_levels + CPU_N_LEVELS)
        if ((level->features & ~have) == 0)
            return level;
    return NULL;
}

const struct cpu_level *cpu_best(void)
{
    const struct cpu_level *best = CPU_C;
    for (const struct cpu_level *l = best; l; l = cpu_next(l))
        best = l;
    return best;
}

int cpu_parse(const char *name, const struct cpu_level **level, struct err *e)
{
    const struct cpu_level *best = cpu_best();
    if (strcmp(name, "auto") == 0) {
        *level = best;
        return 0;
    }
    for (const struct cpu_level *l = CPU_C; l; l = cpu_next(l))
        if (strcmp(name, l->name) == 0) {
            *level = l;
            return 0;
        }
    for (size_t i = 0; i < CPU_N_LEVELS; i++)
        if (strcmp(name, cpu_levels[i].name) == 0)
            return err_usage(e, "this processor has no %s (its best level is %s)", name,
                             best->name);
    return err_usage(e, "unknown instruction set '%.40s' (expected auto, " CPU_LEVEL_NAMES ")",
                     name);
}

/* ---- floating point -------------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { DEFAULT = 0x1f80, FLUSH = 0x8040 /* FTZ, DAZ */ };

static uint32_t mode_now(void)
{
    return _mm_getcsr();
}

static void set_mode(uint32_t mode)
{
    _mm_setcsr(mode);
}
#elif defined(__aarch64__)
enum { DEFAULT = 0, FLUSH = 1 << 24 /* FZ */ };

static uint32_t mode_now(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (uint32_t)mode;
}

static void set_mode(uint32_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
}
#else
enum { DEFAULT = 0, FLUSH = 0 };

static uint32_t mode_now(void)
{
    return DEFAULT;
}

static void set_mode(uint32_t mode)
{
    (void)mode;
}
#endif

uint32_t cpu_float_default(void)
{
    uint32_t mode = mode_now();
    set_mode(DEFAULT);
    return mode;
}

void cpu_float_restore(uint32_t mode)
{
    set_mode(mode);
}

void cpu_flush_denormals(void)
{
    set_mode(mode_now() | FLUSH);
}
