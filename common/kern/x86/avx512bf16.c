/* avx512bf16.c - products of bf16 cells by vdpbf16ps. Compiled with -mavx512bf16; called only where
 * it exists. */
#include "kern/x86/x86.h"

#define CELL_NUMBERS 2
#define TILE_ROWS 6 /* 24 sums, 4 vectors of B, 1 broadcast: 29 of 32 registers */
#define TILE_VECS 4

#include "kern/x86/v512.h"

#include "kern/vector_math.h"

typedef __m512i cells;

static inline cells c_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}
static inline cells c_broadcast(const uint32_t *p)
{
    return _mm512_set1_epi32((int)*p);
}
static inline vec c_fma(cells a, cells b, vec sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* Lanes of `first` in the lower halves, of `second` in the upper. */
static inline cells interleave(__m512 first, __m512 second)
{
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

/* The first of n lanes, as many as there are. */
static inline vmask mask_of(size_t n)
{
    return v_mask(MIN(n, (size_t)WIDTH));
}

/* One row: neighbours are the halves of a cell already, so this is only a conversion. */
static void row_cells(const float *x, size_t n, uint32_t *out)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        _mm512_storeu_si512(out + i / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16),
                                                                      _mm512_loadu_ps(x + i)));
    for (; i < n; i += 16) {
        __m256i half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask_of(n - i), x + i));
        _mm256_mask_storeu_epi32(out + i / 2, (__mmask8)mask_of(DIV_UP(n - i, (size_t)2)), half);
    }
}

static void column_cells(const float *first, const float *second, size_t n, uint32_t *out)
{
    size_t i = 0;
    for (; second && i + WIDTH <= n; i += WIDTH)
        _mm512_storeu_si512(out + i,
                            interleave(_mm512_loadu_ps(first + i), _mm512_loadu_ps(second + i)));
    for (; i < n; i += WIDTH) {
        __mmask16 have = mask_of(n - i);
        __m512 a = _mm512_maskz_loadu_ps(have, first + i);
        __m512 b = second ? _mm512_maskz_loadu_ps(have, second + i) : _mm512_setzero_ps();
        _mm512_mask_storeu_epi32(out + i, have, interleave(a, b));
    }
}

static void op_operand(const float *x, size_t rows, size_t cols, void *by_rows, void *by_columns)
{
    size_t width = DIV_UP(cols, 2);
    for (size_t r = 0; r < rows; r++) {
        if (by_rows)
            row_cells(x + r * cols, cols, (uint32_t *)by_rows + r * width);
        if (by_columns && r % 2 == 0)
            column_cells(x + r * cols, r + 1 < rows ? x + (r + 1) * cols : NULL, cols,
                         (uint32_t *)by_columns + r / 2 * cols);
    }
}

/* e^(x - level) of 32 columns of two rows, as cells by rows and by columns. The masks are constants
 * but for the last columns. */
INLINE void powers_step(const float *x[2], size_t i, const vec level[2], vec sum[2],
                        uint32_t *rows[2], uint32_t *columns, __mmask16 low, __mmask16 high,
                        __mmask16 half)
{
    vec p[2][2];
    for (size_t r = 0; r < 2; r++) {
        vec first = v_exp_within(v_sub(v_load_mask(x[r] + i, low), level[r]));
        vec second = v_exp_within(v_sub(v_load_mask(x[r] + i + WIDTH, high), level[r]));
        p[r][0] = _mm512_maskz_mov_ps(low, first);
        p[r][1] = _mm512_maskz_mov_ps(high, second);
        sum[r] = v_add(v_add(sum[r], p[r][0]), p[r][1]);
        _mm512_mask_storeu_epi32(rows[r] + i / 2, half,
                                 (__m512i)_mm512_cvtne2ps_pbh(p[r][1], p[r][0]));
    }
    _mm512_mask_storeu_epi32(columns + i, low, interleave(p[0][0], p[1][0]));
    _mm512_mask_storeu_epi32(columns + i + WIDTH, high, interleave(p[0][1], p[1][1]));
}

/* Of two rows, columns [first, end), at most KERN_SUM_COLUMNS. */
static void powers_pair(const float *x[2], size_t first, size_t end, const float *level, float *sum,
                        uint32_t *rows[2], uint32_t *columns)
{
    const vec lv[2] = {v_set(level[0]), v_set(level[1])};
    vec total[2] = {v_set(0.0f), v_set(0.0f)};
    size_t i = first;
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH)
        powers_step(x, i, lv, total, rows, columns, 0xffff, 0xffff, 0xffff);
    if (i < end)
        powers_step(x, i, lv, total, rows, columns, mask_of(end - i),
                    end - i > WIDTH ? mask_of(end - i - WIDTH) : 0,
                    mask_of(DIV_UP(end - i, (size_t)2)));
    sum[0] += v_sum(total[0]);
    sum[1] += v_sum(total[1]);
}

static void op_powers(float *x, size_t x_stride, size_t rows, size_t n, const float *level,
                      float *sum, void *by_rows, void *by_columns, size_t columns_stride)
{
    size_t width = DIV_UP(n, (size_t)2);
    for (size_t r = 0; r < rows; r += 2) {
        float *row = x + r * x_stride;
        uint32_t *out = (uint32_t *)by_rows + r * width;
        uint32_t *columns = (uint32_t *)by_columns + r / 2 * columns_stride;
        bool pair = r + 1 < rows;
        for (size_t i = 0; i < n; i += KERN_SUM_COLUMNS) {
            size_t end = MIN(n, i + KERN_SUM_COLUMNS);
            if (pair)
                powers_pair((const float *[2]){row, row + x_stride}, i, end, level + r, sum + r,
                            (uint32_t *[2]){out, out + width}, columns);
            else
                sum[r] += powers_of(row + i, end - i, level[r]);
        }
        if (!pair) /* an odd last row has zeros for a neighbour */
            op_operand(row, 1, n, out, columns);
    }
}

static inline __m512i read_cells(const float *x, size_t n)
{
    vec low = v_load_mask(x, mask_of(n));
    vec high = n > WIDTH ? v_load_mask(x + WIDTH, mask_of(n - WIDTH)) : v_set(0.0f);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void op_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                    void *out)
{
    v_pack(w, n_out, n_in, first, count, out, (size_t)TILE_VECS * WIDTH, CELL_NUMBERS, read_cells);
}

#include "kern/vector_product.h"

void kern_avx512bf16(struct kern *k)
{
    k->panel = TILE_COLS;
    k->product = op_product;
    k->pack = op_pack;
    k->operand = op_operand;
    k->powers = op_powers;
    k->spin = op_spin;
}
