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
#define EIGHT(DO, a) DO(a##0) DO(a##1) DO(a##2) DO(a##3) DO(a##4) DO(a##5) DO(a##6) DO(a##7)

static volatile float sink; /* where sums end, so that the loop that made them is not dropped */

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

#define ZERO(s) four s = {0};
/* The compiler adds in this order: loads out of order would mislead the prefetchers. */
#define PIN(s) __asm__ volatile("" : KEEP(s));
#define SINK(s) sink = s[0];

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

__attribute__((target("avx2"))) static double read_avx2(const float *x, size_t n)
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

double probe_read(const struct cpu_level *level, const float *x, size_t n)
{
#if defined(__x86_64__)
    if (level->features & CPU_X86_AVX512)
        return read_avx512(x, n);
    if (level->features & CPU_X86_AVX2)
        return read_avx2(x, n);
#endif
    (void)level;
    return read_c(x, n);
}
