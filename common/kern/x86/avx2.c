/* avx2.c - AVX2 and FMA. Compiled with -mavx2 -mfma; called only where they exist. */
#include "kern/x86/x86.h"

#include <immintrin.h>

#define CELL_NUMBERS 1
#define TILE_ROWS 6 /* 12 sums, 2 vectors of B, 1 broadcast: 15 of 16 registers */
#define TILE_VECS 2

#include "kern/x86/v256.h"

/* c_ functions: a cell is a float. */
typedef __m256 cells;

static inline cells c_load(const uint32_t *p)
{
    return _mm256_loadu_ps((const float *)p);
}
static inline cells c_broadcast(const uint32_t *p)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32((int)*p));
}
static inline vec c_fma(cells a, cells b, vec sum)
{
    return _mm256_fmadd_ps(a, b, sum);
}

/* Four vectors of 4 doubles are the 16 lanes of the exact order, folded 8, 4, 2, 1. */
static double fold_lanes(const __m256d s[4])
{
    __m256d t = _mm256_add_pd(_mm256_add_pd(s[0], s[2]), _mm256_add_pd(s[1], s[3]));
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
}

/* Lanes i.. of a group of 16 as 4 doubles, zero beyond n. */
static __m256d four(const float *w, size_t i, size_t n)
{
    float v[4] = {0};
    if (i + 4 <= n)
        return _mm256_cvtps_pd(_mm_loadu_ps(w + i));
    for (size_t j = 0; i + j < n; j++)
        v[j] = w[i + j];
    return _mm256_cvtps_pd(_mm_loadu_ps(v));
}

static double op_sum_abs(const float *w, size_t n)
{
    __m256d s[4] = {{0}};
    __m256d sign = _mm256_set1_pd(-0.0);
    for (size_t i = 0; i < n; i += 16)
        for (size_t j = 0; j < 4; j++)
            s[j] = _mm256_add_pd(s[j], _mm256_andnot_pd(sign, four(w, i + 4 * j, n)));
    return fold_lanes(s);
}

static double op_sum_sq(const float *w, size_t n)
{
    __m256d s[4] = {{0}};
    for (size_t i = 0; i < n; i += 16)
        for (size_t j = 0; j < 4; j++) {
            __m256d v = four(w, i + 4 * j, n);
            s[j] = _mm256_add_pd(s[j], _mm256_mul_pd(v, v)); /* exact in a double */
        }
    return fold_lanes(s);
}

/* 8 rows of W at a time: a gather reads a column of them. */
static void op_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                    void *out)
{
    const size_t panel = (size_t)TILE_VECS * WIDTH;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i index = _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)n_in));
    for (size_t j = first; j < first + ALIGN_UP(count, panel); j += WIDTH) {
        float *column = (float *)out + j / panel * panel * n_in + j % panel;
        vec have = _mm256_castsi256_ps(v_mask(j < n_out ? MIN(n_out - j, (size_t)WIDTH) : 0));
        for (size_t p = 0; p < n_in; p++)
            v_store(column + p * panel,
                    _mm256_mask_i32gather_ps(v_set(0.0f), w + j * n_in + p, index, have, 4));
    }
}

#include "kern/vector_ops.h"

void kern_avx2(struct kern *k)
{
    ops_install(k);
    k->sum_abs = op_sum_abs;
    k->sum_sq = op_sum_sq;
}
