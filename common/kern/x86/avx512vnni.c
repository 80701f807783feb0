/* avx512vnni.c - int8 products by vpdpbusd (AVX-512 VNNI), which multiplies unsigned bytes of
 * weights by signed bytes of activations. Compiled with -mavx512vnni; called only where it exists.
 *
 * Ternary codes are unsigned as they are, 0..2; the head's bytes are stored with 128 added. What
 * this adds to every sum, a multiple of the sum of q, is taken away at the end. The codes of four
 * rows share a byte. Instead of shifting them apart, they are masked cumulatively: the sums of
 * v & 3, v & 15, v & 63 and v are differences away from those of the four rows, times 1, 4, 16, 64.
 */
#include "kern/x86/x86.h"

#include "kern/x86/v512.h"

/* Six rows: with four sums each, operands and masks, all 32 registers. */
enum { MOST_ROWS = 6 };
#define EACH_ROWS(DO, x) DO(x, 1) DO(x, 2) DO(x, 3) DO(x, 4) DO(x, 5) DO(x, 6)
#define HEAD_FLIP 0x80808080
#define HEAD_OFFSET(row, q, steps) (128 * (row)->sum)
typedef __m512i ivec; /* WIDTH lanes of 32 bits, or four times as many bytes */

#include "kern/keep.h"
#include "kern/vector_int8.h"

INLINE __mmask16 mask_of(size_t n)
{
    return (__mmask16)(n < WIDTH ? (1u << n) - 1 : 0xffffu);
}

/* ---- rounding -------------------------------------------------------------------------------- */

static void op_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    const ivec magnitude = _mm512_set1_epi32(0x7fffffff);
    ivec bits = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += WIDTH) {
        ivec v = _mm512_maskz_loadu_epi32(mask_of(n - i), x + i);
        bits = _mm512_max_epu32(bits, _mm512_and_si512(v, magnitude));
    }
    float factor;
    if (!begin_row(_mm512_reduce_max_epu32(bits), row, &factor)) {
        memset(q, 0, ALIGN_UP(n, (size_t)KERN_INT8_ALIGN));
        return;
    }
    ivec sum = _mm512_setzero_si512();
    for (size_t i = 0; i < ALIGN_UP(n, (size_t)KERN_INT8_ALIGN); i += WIDTH) {
        vec v = v_load_mask(x + i, i < n ? mask_of(n - i) : 0);
        ivec whole = _mm512_cvtps_epi32(v_mul(v, v_set(factor))); /* half to even */
        sum = _mm512_add_epi32(sum, whole);
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtepi32_epi8(whole));
    }
    row->sum = _mm512_reduce_add_epi32(sum);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The four operands of a step, in order of the quarters. */
INLINE void load_codes(const uint8_t *w, ivec out[QUARTERS])
{
    ivec v = _mm512_load_si512(w);
    KEEP(v);
    out[0] = _mm512_and_si512(v, _mm512_set1_epi8(0x03));
    out[1] = _mm512_and_si512(v, _mm512_set1_epi8(0x0f));
    out[2] = _mm512_and_si512(v, _mm512_set1_epi8(0x3f));
    out[3] = v;
}

/* The head comes from beyond the second-level cache, at the speed of the loads in flight. */
INLINE void load_bytes(const uint8_t *w, ivec out[QUARTERS])
{
    for (size_t j = 0; j < QUARTERS; j++) {
        out[j] = _mm512_load_si512(w + j * sizeof(ivec));
        KEEP(out[j]);
    }
}

/* Sums of one panel for M rows of q. Chains of DEPTH steps apart hide the instruction's latency
 * where rows are few. */
INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS])
{
    size_t depth = M == 1 ? 4 : M <= 3 ? 2 : 1;
    size_t step_bytes = ternary ? sizeof(ivec) : QUARTERS * sizeof(ivec);
    ivec acc[4][MOST_ROWS][QUARTERS];
#pragma GCC unroll 4
    for (size_t d = 0; d < depth; d++)
#pragma GCC unroll 6
        for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < QUARTERS; j++)
                acc[d][i][j] = _mm512_setzero_si512();
    for (size_t s = 0; s < steps; s += depth, w += depth * step_bytes, q += depth * STEP)
#pragma GCC unroll 4
        for (size_t d = 0; d < depth; d++) {
            ivec v[QUARTERS];
            if (ternary)
                load_codes(w + d * step_bytes, v);
            else
                load_bytes(w + d * step_bytes, v);
#pragma GCC unroll 6
            for (size_t i = 0; i < M; i++) {
                ivec x = _mm512_set1_epi32(word_of(q + i * q_stride + d * STEP));
#pragma GCC unroll 4
                for (size_t j = 0; j < QUARTERS; j++) {
                    acc[d][i][j] = _mm512_dpbusd_epi32(acc[d][i][j], v[j], x);
                    KEEP(acc[d][i][j]);
                }
            }
        }
#pragma GCC unroll 6
    for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            sum[i][j] = acc[0][i][j];
#pragma GCC unroll 3
            for (size_t d = 1; d < depth; d++)
                sum[i][j] = _mm512_add_epi32(sum[i][j], acc[d][i][j]);
        }
}

INLINE ivec tern_sum(const ivec sum[QUARTERS], size_t j)
{
    ivec own = j ? _mm512_sub_epi32(sum[j], sum[j - 1]) : sum[0];
    return _mm512_srai_epi32(own, (unsigned)(2 * j));
}

INLINE vec float_sums(ivec sum, int32_t offset)
{
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(offset)));
}

static double op_spin(size_t n)
{
    enum { SUMS = 24 };
    ivec sum[SUMS];
    ivec x = _mm512_setzero_si512();
    KEEP(x);
#pragma GCC unroll 24
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = _mm512_setzero_si512();
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 24
        for (size_t i = 0; i < SUMS; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
#pragma GCC unroll 24
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * WIDTH * STEP;
}

void kern_avx512vnni(struct kern_exact *k)
{
    int8_install(k);
}
