/* avx512.c - AVX-512 F, BW, DQ, VL. Compiled with the flags of these; called only where they exist.
 */
#include "kern/x86/x86.h"

#include <immintrin.h>

#define CELL_NUMBERS 1
#define TILE_ROWS 6 /* 24 sums, 4 vectors of B, 1 broadcast: 29 of 32 registers */
#define TILE_VECS 4

#include "kern/x86/v512.h"

/* c_ functions: a cell is a float. */
typedef __m512 cells;

static inline cells c_load(const uint32_t *p)
{
    return _mm512_loadu_ps(p);
}
static inline cells c_broadcast(const uint32_t *p)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)*p));
}
static inline vec c_fma(cells a, cells b, vec sum)
{
    return _mm512_fmadd_ps(a, b, sum);
}

/* Two vectors of 8 doubles are the 16 lanes of the exact order; _mm512_reduce_add_pd folds 4, 2, 1.
 */
static double fold_lanes(__m512d low, __m512d high)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

static double op_sum_abs(const float *w, size_t n)
{
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    for (size_t i = 0; i < n; i += WIDTH) {
        vec v = _mm512_abs_ps(v_load_mask(w + i, v_mask(MIN(n - i, (size_t)WIDTH))));
        low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(v)));
        high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
    }
    return fold_lanes(low, high);
}

static double op_sum_sq(const float *w, size_t n)
{
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    for (size_t i = 0; i < n; i += WIDTH) {
        vec v = v_load_mask(w + i, v_mask(MIN(n - i, (size_t)WIDTH)));
        __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
        low = _mm512_add_pd(low,
                            _mm512_mul_pd(a, a)); /* the square of a float is exact in a double */
        high = _mm512_add_pd(high, _mm512_mul_pd(b, b));
    }
    return fold_lanes(low, high);
}

static inline __m512i read_cells(const float *x, size_t n)
{
    return _mm512_castps_si512(v_load_mask(x, v_mask(MIN(n, (size_t)WIDTH))));
}

static void op_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                    void *out)
{
    v_pack(w, n_out, n_in, first, count, out, (size_t)TILE_VECS * WIDTH, CELL_NUMBERS, read_cells);
}

#include "kern/vector_ops.h"

/* Sixteen by sixteen. */
static void op_transpose(const void *in, size_t in_stride, size_t rows, size_t cols, void *out,
                         size_t out_stride)
{
    for (size_t i = 0; i < rows; i += WIDTH)
        for (size_t j = 0; j < cols; j += WIDTH) {
            const uint32_t *from = (const uint32_t *)in + i * in_stride + j;
            uint32_t *to = (uint32_t *)out + j * out_stride + i;
            __mmask16 read = v_mask(MIN(cols - j, (size_t)WIDTH));
            __mmask16 write = v_mask(MIN(rows - i, (size_t)WIDTH));
            __m512i r[WIDTH];
            for (size_t row = 0; row < WIDTH; row++)
                r[row] = i + row < rows ? _mm512_maskz_loadu_epi32(read, from + row * in_stride)
                                        : _mm512_setzero_si512();
            v_transpose(r);
            for (size_t col = 0; col < WIDTH && j + col < cols; col++)
                _mm512_mask_storeu_epi32(to + col * out_stride, write, r[col]);
        }
}

void kern_avx512(struct kern *k)
{
    ops_install(k);
    k->transpose = op_transpose;
    k->sum_abs = op_sum_abs;
    k->sum_sq = op_sum_sq;
}
