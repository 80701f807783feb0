/* v128_int8.c - int8 products on the compilers' vector extensions, which multiply 16 bits by 16
 * bits and keep 16 of the product. So bytes are taken apart: the even and the odd ones of a 32-bit
 * lane, which belong to columns 0, 2 and 1, 3 of a step.
 *
 * Ternary codes are unsigned as they are, 0..2; the sum of q is taken away at the end. Sums stay 16
 * bits wide over BLOCK steps and then are widened. The odd quarters are left four times too large
 * until the end, which saves shifts: a step adds at most 2 * 4 * 2 * 127 to a sum, a block 32,512.
 *
 * In the head, no number is -128, so the products of two columns are at most 2 * 127 * 127, which
 * fits 16 bits; then they are widened. */
#include "kern/v128/parts.h"

#include "kern/v128/v128.h"

enum { MOST_ROWS = 2, AHEAD = 2048 /* bytes of the head asked for early */ };
#define EACH_ROWS(DO, x) DO(x, 1) DO(x, 2)
#define HEAD_FLIP 0
#define HEAD_OFFSET(row, q, steps) 0
#include "kern/keep.h"
#include "kern/vector_int8.h"

enum { BLOCK = 16 /* steps */ };

typedef int16_t i16vec __attribute__((vector_size(16)));
typedef uint16_t u16vec __attribute__((vector_size(16)));
typedef int32_t ivec_at __attribute__((vector_size(16), aligned(4), may_alias));

/* ---- rounding -------------------------------------------------------------------------------- */

INLINE int32_t sum_lanes(ivec v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

static void op_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    typedef int8_t bytes __attribute__((vector_size(4)));
    ivec most = {0};
    for (size_t i = 0; i < n; i += WIDTH) {
        ivec bits = (ivec)load_some(x + i, n - i) & 0x7fffffff;
        ivec more = bits > most;
        most = (bits & more) | (most & ~more);
    }
    float factor;
    int32_t low = MAX(most[0], most[2]);
    int32_t high = MAX(most[1], most[3]);
    memset(q, 0, ALIGN_UP(n, (size_t)KERN_INT8_ALIGN));
    if (!begin_row((uint32_t)MAX(low, high), row, &factor))
        return;
    ivec sum = {0};
    for (size_t i = 0; i < n; i += WIDTH) {
        ivec whole = i_of(v_round(load_some(x + i, n - i) * v_set(factor)));
        bytes b = __builtin_convertvector(whole, bytes);
        sum += whole;
        memcpy(q + i, &b, sizeof b);
    }
    row->sum = sum_lanes(sum);
}

/* ---- sums ------------------------------------------------------------------------------------ */

INLINE ivec i_set(int32_t x)
{
    return (ivec){x, x, x, x};
}

INLINE i16vec even_bytes(ivec v)
{
    return (i16vec)((u16vec)v << 8) >> 8;
}

INLINE i16vec odd_bytes(ivec v)
{
    return (i16vec)v >> 8;
}

/* Sums of neighbours, which are the two of a lane. */
INLINE ivec widen(i16vec v)
{
    return ((ivec)((uvec)v << 16) >> 16) + ((ivec)v >> 16);
}

/* Sums of the four products of a lane, none of which has a -128. */
INLINE ivec dot_bytes(i16vec a_even, i16vec b_even, i16vec a_odd, i16vec b_odd)
{
#if defined(__SSE2__) /* multiplies, widens and adds neighbours, which the extensions cannot say \
                       */
    typedef short x86 __attribute__((vector_size(16)));
    return (ivec)__builtin_ia32_pmaddwd128((x86)a_even, (x86)b_even) +
           (ivec)__builtin_ia32_pmaddwd128((x86)a_odd, (x86)b_odd);
#else
    return widen(a_even * b_even + a_odd * b_odd);
#endif
}

INLINE void tern_step(size_t M, const uint8_t *w, const int8_t *q, size_t q_stride,
                      i16vec block[MOST_ROWS][QUARTERS])
{
    u16vec even = (u16vec) * (const ivec_at *)w;
    u16vec odd = even >> 8;
    u16vec even_high = even >> 4;
    u16vec odd_high = even >> 12;
    i16vec code[QUARTERS][2] = {
        {(i16vec)(even & 0x03), (i16vec)(odd & 0x03)},
        {(i16vec)(even & 0x0c), (i16vec)(odd & 0x0c)},
        {(i16vec)(even_high & 0x03), (i16vec)(odd_high & 0x03)},
        {(i16vec)(even_high & 0x0c), (i16vec)(odd_high & 0x0c)},
    };
#pragma GCC unroll 2
    for (size_t i = 0; i < M; i++) {
        ivec x = i_set(word_of(q + i * q_stride));
        i16vec x_even = even_bytes(x);
        i16vec x_odd = odd_bytes(x);
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++)
            block[i][j] += code[j][0] * x_even + code[j][1] * x_odd;
    }
}

INLINE void sum_tern(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    for (const int8_t *end = q + steps * STEP; q < end;) {
        i16vec block[MOST_ROWS][QUARTERS] = {{{0}}};
        const int8_t *block_end = MIN(end, q + BLOCK * STEP);
        for (; q < block_end; q += STEP, w += sizeof(ivec))
            tern_step(M, w, q, q_stride, block);
#pragma GCC unroll 2
        for (size_t i = 0; i < M; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < QUARTERS; j++)
                sum[i][j] += widen(block[i][j]);
    }
}

INLINE void sum_head(size_t M, const uint8_t *w, size_t steps, const int8_t *q, size_t q_stride,
                     ivec sum[MOST_ROWS][QUARTERS])
{
    for (size_t s = 0; s < steps; s++, w += QUARTERS * sizeof(ivec), q += STEP) {
        i16vec x_even[MOST_ROWS];
        i16vec x_odd[MOST_ROWS];
        __builtin_prefetch(w + AHEAD);
#pragma GCC unroll 2
        for (size_t i = 0; i < M; i++) {
            ivec x = i_set(word_of(q + i * q_stride));
            x_even[i] = even_bytes(x);
            x_odd[i] = odd_bytes(x);
        }
#pragma GCC unroll 4
        for (size_t j = 0; j < QUARTERS; j++) {
            ivec v = *(const ivec_at *)(w + j * sizeof v);
            i16vec even = even_bytes(v);
            i16vec odd = odd_bytes(v);
#pragma GCC unroll 2
            for (size_t i = 0; i < M; i++)
                sum[i][j] += dot_bytes(even, x_even[i], odd, x_odd[i]);
        }
    }
}

INLINE void sum_panel(bool ternary, size_t M, const uint8_t *w, size_t steps, const int8_t *q,
                      size_t q_stride, ivec sum[MOST_ROWS][QUARTERS])
{
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < QUARTERS; j++)
            sum[i][j] = i_set(0);
    if (ternary)
        sum_tern(M, w, steps, q, q_stride, sum);
    else
        sum_head(M, w, steps, q, q_stride, sum);
}

INLINE ivec tern_sum(const ivec sum[QUARTERS], size_t j)
{
    return sum[j] >> (j % 2 ? 2 : 0);
}

INLINE vec float_sums(ivec sum, int32_t offset)
{
    return __builtin_convertvector(sum - offset, vec);
}

/* Products of 16 bits and their sums: two multiply-accumulates in a 32-bit lane. */
static double op_spin(size_t n)
{
    enum { SUMS = 10 };
    i16vec sum[SUMS];
    i16vec x = {0};
#pragma GCC unroll 10
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = (i16vec){0};
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 10
        for (size_t i = 0; i < SUMS; i++) {
            KEEP(x);
            sum[i] += x * x;
        }
#pragma GCC unroll 10
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * WIDTH * 2;
}

void kern_v128_int8(struct kern_exact *k)
{
    int8_install(k);
}
