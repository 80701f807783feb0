/* avx2_exact.c - inference with AVX2. Compiled with -mavx2; called only where it exists.
 *
 * Ternary weights: a register of AVX2 holds 8 floats, too few for the 14 magnitudes of a signed sum
 * of three activations; but 16 bytes are what vpshufb looks up (vector_planes.h), for 32 rows at a
 * time. Of many tokens, a register is the sum of 8 (v256_lanes.h). */
#include "kern/x86/x86.h"

#include "kern/x86/v256.h"

#define HEAD_VECS 8
#define HEAD_TILE_VECS 2 /* 8 sums, 4 activations, a weight and a product: 14 of 16 registers */
#define HEAD_TILE_ROWS 4
#define TERN_SIGN_BIT (1 << 4 | 1 << 6) /* vpshufb looks at bits 0 to 3, and bit 7 */

#include "kern/vector_attend.h"
#include "kern/vector_exact.h"
#include "kern/vector_logits.h"
#include "kern/vector_planes.h"
#include "kern/x86/v256_lanes.h"

/* Row 8j + 4h + e: interleaving works within halves. */
INLINE size_t place_of(size_t row)
{
    return row % 8 / 4 * 16 + row / 8 * 4 + row % 4;
}

/* A term of 8 magnitudes: x times digits, which are -1, 0 or 1. */
INLINE vec term(float x, __m256i digits)
{
    __m256i has = _mm256_cmpeq_epi32(digits, _mm256_setzero_si256());
    vec sign = _mm256_and_ps(_mm256_castsi256_ps(digits), v_set(-0.0f));
    return _mm256_xor_ps(_mm256_andnot_ps(_mm256_castsi256_ps(has), v_set(x)), sign);
}

static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out)
{
    const __m256i by_bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256i by_planes = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i digit[GROUP][2];
    float room[GROUP];
    for (size_t i = 0; i < GROUP; i++)
        for (size_t h = 0; h < 2; h++)
            digit[i][h] = _mm256_loadu_si256((const __m256i *)(tern_digits[i] + h * WIDTH));
    for (size_t g = first; g < first + n; g++, out++) {
        const float *v = tern_activations(x, cols, g, room);
        __m256i half[2];
        for (size_t h = 0; h < 2; h++) {
            vec sum = v_add(v_add(term(v[0], digit[0][h]), term(v[1], digit[1][h])),
                            term(v[2], digit[2][h]));
            half[h] = _mm256_shuffle_epi8(_mm256_castps_si256(sum), by_bytes);
        }
        __m256i low = _mm256_unpacklo_epi32(half[0], half[1]);
        __m256i high = _mm256_unpackhi_epi32(half[0], half[1]);
        _mm256_storeu_si256((__m256i *)out->plane[0], _mm256_permutevar8x32_epi32(low, by_planes));
        _mm256_storeu_si256((__m256i *)out->plane[2], _mm256_permutevar8x32_epi32(high, by_planes));
    }
}

INLINE __m256i look_up(const uint8_t plane[MAGNITUDES], __m256i index)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)plane)),
                               index);
}

INLINE void add_group(const uint8_t *indices, const struct table *table, vec sum[TERN_VECS])
{
    __m256i index = _mm256_loadu_si256((const __m256i *)indices);
    __m256i sign = _mm256_and_si256(index, _mm256_set1_epi8(1 << 6));
    sign = _mm256_add_epi8(sign, sign); /* a shift would wait for the units of vpshufb */
    __m256i p0 = look_up(table->plane[0], index);
    __m256i p1 = look_up(table->plane[1], index);
    __m256i p2 = look_up(table->plane[2], index);
    __m256i p3 = _mm256_xor_si256(look_up(table->plane[3], index), sign);
    __m256i low0 = _mm256_unpacklo_epi8(p0, p1);
    __m256i high0 = _mm256_unpacklo_epi8(p2, p3);
    __m256i low1 = _mm256_unpackhi_epi8(p0, p1);
    __m256i high1 = _mm256_unpackhi_epi8(p2, p3);
    sum[0] = v_add(sum[0], _mm256_castsi256_ps(_mm256_unpacklo_epi16(low0, high0)));
    sum[1] = v_add(sum[1], _mm256_castsi256_ps(_mm256_unpackhi_epi16(low0, high0)));
    sum[2] = v_add(sum[2], _mm256_castsi256_ps(_mm256_unpacklo_epi16(low1, high1)));
    sum[3] = v_add(sum[3], _mm256_castsi256_ps(_mm256_unpackhi_epi16(low1, high1)));
}

void kern_avx2_exact(struct kern_exact *k)
{
    exact_install(k);
    k->attend = exact_attend;
    logits_install(k);
    planes_install(k);
    k->float_tern = tern_many;
}
