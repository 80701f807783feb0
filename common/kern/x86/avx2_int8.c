/* avx2_int8.c - int8 products by vpmaddubsw, which multiplies unsigned by signed bytes and adds
 * pairs as 16-bit numbers, saturating. Compiled with the flags of AVX2; called only where it
 * exists.
 *
 * Ternary codes are unsigned as they are, 0..2; the sum of q is taken away at the end. Sums stay 16
 * bits wide over BLOCK steps and then are widened. The odd quarters are left four times too large
 * until the end, which saves shifts: a step adds at most 4 * 2 * 127 * 2 to a sum, a block 32,512.
 * Of many tokens, ternary products need additions only (v256_lanes_int8.h).
 *
 * In the head, the magnitude of q is the unsigned operand, and the weight w, negated where q is
 * negative, the signed one: as ~w, that is -w - 1, by one logical operation, and the magnitudes of
 * negative q added at the end. Both are made of q once for all panels. No number is -128, so a pair
 * is at least -2 * 127 * 128 and at most 2 * 127 * 127, which fits 16 bits. */
#include "kern/x86/x86.h"

#include "kern/x86/v256.h"

enum { MOST_ROWS = 2 };
#define EACH_ROWS(DO, x) DO(x, 1) DO(x, 2)
#define HEAD_FLIP 0
#define HEAD_OFFSET(row, q, steps) (-sum_negative(q, steps))
typedef __m256i ivec; /* WIDTH lanes of 32 bits, or four times as many bytes */

static inline int32_t sum_negative(const int8_t *q, size_t steps);

#include "kern/keep.h"
#include "kern/vector_int8.h"

enum { BLOCK = 16 /* steps */ };

/* ---- rounding -------------------------------------------------------------------------------- */

INLINE int32_t largest_lane(ivec v)
{
    __m128i a = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    a = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0x4e));
    a = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0xb1));
    return _mm_cvtsi128_si32(a);
}

INLINE int32_t sum_lanes(ivec v)
{
    __m128i a = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0x4e));
    a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0xb1));
    return _mm_cvtsi128_si32(a);
}

/* 32 numbers as bytes, rounded half to even; beyond the first n, 0. */
INLINE __m256i round_bytes(const float *x, size_t n, vec factor, ivec *sum)
{
    ivec whole[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        vec v = n >= 4 * WIDTH   ? v_load(x + j * WIDTH)
                : n <= j * WIDTH ? v_set(0.0f)
                                 : v_load_mask(x + j * WIDTH, v_mask(n - j * WIDTH));
        whole[j] = _mm256_cvtps_epi32(v_mul(v, factor));
    }
    *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(_mm256_add_epi32(whole[0], whole[1]),
                                                   _mm256_add_epi32(whole[2], whole[3])));
    /* Packing works within halves: fours of bytes come out in this order. */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]),
                                                          _mm256_packs_epi32(whole[2], whole[3])),
                                       order);
}

INLINE ivec magnitudes(vec v)
{
    return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
}

static void op_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    enum { AT_ONCE = 4 * WIDTH };
    ivec most[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    size_t i = 0;
    for (; i + AT_ONCE <= n; i += AT_ONCE)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            most[j % 2] = _mm256_max_epi32(most[j % 2], magnitudes(v_load(x + i + j * WIDTH)));
    for (; i < n; i += WIDTH)
        most[0] = _mm256_max_epi32(most[0], magnitudes(load_some(x + i, n - i)));
    float factor;
    size_t end = ALIGN_UP(n, (size_t)KERN_INT8_ALIGN);
    if (!begin_row((uint32_t)largest_lane(_mm256_max_epi32(most[0], most[1])), row, &factor)) {
        memset(q, 0, end);
        return;
    }
    ivec sum = _mm256_setzero_si256();
    for (i = 0; i + AT_ONCE <= n; i += AT_ONCE)
        _mm256_storeu_si256((__m256i *)(q + i), round_bytes(x + i, AT_ONCE, v_set(factor), &sum));
    for (; i < end; i += AT_ONCE)
        _mm256_storeu_si256((__m256i *)(q + i),
                            round_bytes(x + i, i < n ? n - i : 0, v_set(factor), &sum));
    row->sum = sum_lanes(sum);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The four operands of a step; those of the odd quarters are four times their codes. */
INLINE void load_codes(const uint8_t *w, ivec out[QUARTERS])
{
    const ivec even = _mm256_set1_epi8(0x03);
    const ivec odd = _mm256_set1_epi8(0x0c);
    ivec v = _mm256_load_si256((const ivec *)w);
    KEEP(v);
    ivec high = _mm256_srli_epi16(v, 4);
    out[0] = _mm256_and_si256(v, even);
    out[1] = _mm256_and_si256(v, odd);
    out[2] = _mm256_and_si256(high, even);
    out[3] = _mm256_and_si256(high, odd);
}

INLINE void tern_step(size_t M, const uint8_t *w, const int8_t *q, size_t q_stride,
                      ivec block[MOST_ROWS][QUARTERS])
{
    ivec v[QUARTERS];
    load_codes(w, v);
#pragma GCC unroll 2
    for (size_t i = 0; i < M; i++) {
        ivec x = _mm256_set1_epi32(word_of(q + i * q_stride));
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            block[i][j] = _mm256_add_epi16(block[i][j], _mm256_maddubs_epi16(v[j], x));
            KEEP(block[i][j]);
        }
    }
}

INLINE void sum_tern(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    ivec block[MOST_ROWS][QUARTERS]; /* 16 bits */
    for (const int8_t *end = q + steps * STEP; q < end;) {
#pragma GCC unroll 2
        for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < QUARTERS; j++)
                block[i][j] = _mm256_setzero_si256();
        const int8_t *block_end = MIN(end, q + BLOCK * STEP);
        for (; q < block_end; q += GROUP_COLS, w += GROUP_COLS / STEP * sizeof(ivec))
#pragma GCC unroll 4
            for (size_t d = 0; d < GROUP_COLS / STEP; d++)
                tern_step(M, w + d * sizeof(ivec), q + d * STEP, q_stride, block);
#pragma GCC unroll 2
        for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < QUARTERS; j++)
                sum[i][j] = _mm256_add_epi32(sum[i][j],
                                             _mm256_madd_epi16(block[i][j], _mm256_set1_epi16(1)));
    }
}

/* The sum of the magnitudes of all negative q, which are as split_signs leaves them. */
INLINE int32_t sum_negative(const int8_t *q, size_t steps)
{
    __m128i sum = _mm_setzero_si128();
    for (const int8_t *end = q + 2 * steps * STEP; q < end; q += 2 * GROUP_COLS) {
        __m128i magnitude = _mm_loadu_si128((const __m128i *)q);
        __m128i negative = _mm_loadu_si128((const __m128i *)(q + GROUP_COLS));
        sum = _mm_add_epi64(sum,
                            _mm_sad_epu8(_mm_and_si128(magnitude, negative), _mm_setzero_si128()));
    }
    return _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 2);
}

INLINE void head_step(size_t M, const uint8_t *w, const int8_t *q, size_t q_stride,
                      ivec sum[MOST_ROWS][QUARTERS])
{
    ivec magnitude[MOST_ROWS];
    ivec negative[MOST_ROWS];
#pragma GCC unroll 2
    for (size_t i = 0; i < M; i++) {
        magnitude[i] = _mm256_set1_epi32(word_of(q + i * q_stride));
        negative[i] = _mm256_set1_epi32(word_of(q + i * q_stride + GROUP_COLS));
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < QUARTERS; j++) {
        ivec v = _mm256_load_si256((const ivec *)w + j);
#pragma GCC unroll 2
        for (size_t i = 0; i < M; i++) {
            ivec pairs = _mm256_maddubs_epi16(magnitude[i], _mm256_xor_si256(v, negative[i]));
            sum[i][j] = _mm256_add_epi32(sum[i][j], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            KEEP(sum[i][j]);
        }
    }
}

/* Of rows as split_signs leaves them. */
INLINE void sum_head(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    for (const int8_t *end = q + 2 * steps * STEP; q < end; q += 2 * GROUP_COLS)
#pragma GCC unroll 4
        for (size_t d = 0; d < GROUP_COLS; d += STEP, w += QUARTERS * sizeof(ivec))
            head_step(M, w, q + d, q_stride, sum);
}

INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS])
{
#pragma GCC unroll 2
    for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++)
            sum[i][j] = _mm256_setzero_si256();
    if (ternary)
        sum_tern(M, w, steps, q, q_stride, sum);
    else
        sum_head(M, w, steps, q, q_stride, sum);
}

INLINE ivec tern_sum(const ivec sum[QUARTERS], size_t j)
{
    return _mm256_srai_epi32(sum[j], j % 2 ? 2 : 0);
}

INLINE vec float_sums(ivec sum, int32_t offset)
{
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(offset)));
}

/* Of each group of columns its magnitudes, then bytes of ones where q is negative. */
static void split_signs(const int8_t *q, size_t cols, int8_t *out)
{
    for (size_t c = 0; c < cols; c += GROUP_COLS, out += 2 * GROUP_COLS) {
        __m128i v = _mm_loadu_si128((const __m128i *)(q + c));
        _mm_store_si128((__m128i *)out, _mm_abs_epi8(v));
        _mm_store_si128((__m128i *)(out + GROUP_COLS), _mm_cmpgt_epi8(_mm_setzero_si128(), v));
    }
}

static void split_head(const void *packed, const float *w_scale, size_t rows, size_t cols, size_t m,
                       const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                       size_t y_stride)
{
    enum { HEAD_COLS = 8192 /* at most */ };
    _Alignas(16) int8_t split[MOST_ROWS * 2 * HEAD_COLS];
    size_t stride = 2 * n_steps(cols) * STEP;
    size_t most = MIN(sizeof split / stride, (size_t)PASS_ROWS);
    for (size_t n; m > 0; m -= n, q += n * q_stride, row += n, y += n * y_stride) {
        n = MIN(m, most);
        for (size_t i = 0; i < n; i++)
            split_signs(q + i * q_stride, cols, split + i * stride);
        op_head(packed, w_scale, rows, cols, n, split, stride, row, y, y_stride);
    }
}

#include "kern/x86/v256_lanes_int8.h"

static double op_spin(size_t n)
{
    enum { SUMS = 10 };
    ivec sum[SUMS];
    ivec x = _mm256_setzero_si256();
    ivec one = _mm256_set1_epi16(1);
    KEEP(one);
#pragma GCC unroll 10
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = _mm256_setzero_si256();
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 10
        for (size_t i = 0; i < SUMS; i++) {
            KEEP(x);
            ivec pairs = _mm256_maddubs_epi16(x, x);
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, one));
        }
#pragma GCC unroll 10
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * WIDTH * STEP;
}

void kern_avx2_int8(struct kern_exact *k)
{
    int8_install(k);
    k->int8_tern = tern_many;
    k->int8_head = split_head;
}
