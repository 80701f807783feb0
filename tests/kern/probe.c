#include "kern/probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP "+v" /* a vector register */
#elif defined(__aarch64__)
#define KEEP "+w"
#else
#define KEEP "+m" /* memory: slower, never wrong */
#endif

/* Variables that a compiler keeps in registers; of an array it might not. */
#define SEVEN(DO, a) DO(a##0) DO(a##1) DO(a##2) DO(a##3) DO(a##4) DO(a##5) DO(a##6)
#define EIGHT(DO, a) SEVEN(DO, a) DO(a##7)
#define TWELVE(DO, a) EIGHT(DO, a) DO(a##8) DO(a##9) DO(a##10) DO(a##11)

static volatile float sink; /* where sums end, so that the loop that made them is not dropped */

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

#define ZERO(s) four s = {0};
/* The compiler forgets the value: nothing to hoist, and no two sums that it knows to be equal. */
#define HIDE(s) __asm__("" : KEEP(s));
/* The same, and in this order: loads out of order would mislead the prefetchers. */
#define PIN(s) __asm__ volatile("" : KEEP(s));
#define SINK(s) sink = s[0];

/* Multiplications and additions in chains apart, and one operand: all 16 registers. */
static double multiply_add_c(size_t n)
{
    four x = {1.0f, 1.0f, 1.0f, 1.0f};
    HIDE(x)
    SEVEN(ZERO, s)
    EIGHT(ZERO, p)
    SEVEN(HIDE, s)
    EIGHT(HIDE, p)
    for (size_t i = 0; i < n; i++) {
#define DO(s) s *= x;
        EIGHT(DO, p)
#undef DO
#define DO(s) s += x;
        SEVEN(DO, s)
#undef DO
    }
    SEVEN(SINK, s)
    EIGHT(SINK, p)
    return (double)n * (7 + 8) * 4;
}

static double read_c(const float *x, size_t n)
{
    EIGHT(ZERO, s)
    for (size_t i = 0; i < n; i += 32, x += 32) {
        const four *v = (const four *)x;
        size_t at = 0;
#define DO(s)     \
    s += v[at++]; \
    PIN(s)
        EIGHT(DO, s)
#undef DO
    }
    EIGHT(SINK, s)
    return (double)n * sizeof(float);
}
#undef ZERO
#undef SINK

#if defined(__x86_64__)
#define ZERO(s) __m256 s = _mm256_setzero_ps();
#define SINK(s) sink = _mm256_cvtss_f32(s);

__attribute__((target("avx2,fma"))) static double multiply_add_avx2(size_t n)
{
    __m256 x = _mm256_set1_ps(1.0f);
    __m256 y = _mm256_set1_ps(1e-9f);
    HIDE(x)
    HIDE(y)
    TWELVE(ZERO, s)
    TWELVE(HIDE, s)
    for (size_t i = 0; i < n; i++) {
#define DO(s) s = _mm256_fmadd_ps(x, y, s);
        TWELVE(DO, s)
#undef DO
    }
    TWELVE(SINK, s)
    return (double)n * 12 * 8 * 2;
}

__attribute__((target("avx2,fma"))) static double read_avx2(const float *x, size_t n)
{
    EIGHT(ZERO, s)
    for (size_t i = 0; i < n; i += 64, x += 64) {
        size_t at = 0;
#define DO(s)                                            \
    s = _mm256_add_ps(s, _mm256_loadu_ps(x + 8 * at++)); \
    PIN(s)
        EIGHT(DO, s)
#undef DO
    }
    EIGHT(SINK, s)
    return (double)n * sizeof(float);
}
#undef ZERO
#undef SINK

#define ZERO(s) __m512 s = _mm512_setzero_ps();
#define SINK(s) sink = _mm512_cvtss_f32(s);

__attribute__((target("avx512f"))) static double multiply_add_avx512(size_t n)
{
    __m512 x = _mm512_set1_ps(1.0f);
    __m512 y = _mm512_set1_ps(1e-9f);
    HIDE(x)
    HIDE(y)
    TWELVE(ZERO, s)
    TWELVE(HIDE, s)
    for (size_t i = 0; i < n; i++) {
#define DO(s) s = _mm512_fmadd_ps(x, y, s);
        TWELVE(DO, s)
#undef DO
    }
    TWELVE(SINK, s)
    return (double)n * 12 * 16 * 2;
}

__attribute__((target("avx512f"))) static double read_avx512(const float *x, size_t n)
{
    EIGHT(ZERO, s)
    for (size_t i = 0; i < n; i += 128, x += 128) {
        size_t at = 0;
#define DO(s)                                             \
    s = _mm512_add_ps(s, _mm512_loadu_ps(x + 16 * at++)); \
    PIN(s)
        EIGHT(DO, s)
#undef DO
    }
    EIGHT(SINK, s)
    return (double)n * sizeof(float);
}
#undef ZERO
#undef SINK
#endif

double probe_multiply_add(enum cpu_level level, size_t n)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512)
        return multiply_add_avx512(n);
    if (level >= CPU_AVX2)
        return multiply_add_avx2(n);
#endif
    (void)level;
    return multiply_add_c(n);
}

double probe_read(enum cpu_level level, const float *x, size_t n)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512)
        return read_avx512(x, n);
    if (level >= CPU_AVX2)
        return read_avx2(x, n);
#endif
    (void)level;
    return read_c(x, n);
}
