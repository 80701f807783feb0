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
#include "kern/vector_rows.h"
#include "kern/x86/v256_lanes.h"

/* Row 8j + 4h + e: interleaving works within halves. */
INLINE size_t place_of(size_t row)
{
    return row % 8 / 4 * 16 + row / 8 * 4 + row % 4;
}

enum { GROUPS = 8 /* whose tables are made at once, a lane a group */ };

/* The activations of GROUPS groups from column `first` on, zero beyond the end: x0, x1 and x2 of a
 * group are three numbers in a row. */
INLINE void load_groups(const float *x, size_t cols, size_t first, vec out[GROUP])
{
    vec v[GROUP];
    for (size_t i = 0; i < GROUP; i++, first += WIDTH)
        v[i] = first + WIDTH <= cols ? v_load(x + first)
               : first < cols        ? v_load_mask(x + first, v_mask(cols - first))
                                     : v_set(0.0f);
    vec x0 = _mm256_blend_ps(_mm256_blend_ps(v[0], v[1], 0x92), v[2], 0x24);
    vec x1 = _mm256_blend_ps(_mm256_blend_ps(v[0], v[1], 0x24), v[2], 0x49);
    vec x2 = _mm256_blend_ps(_mm256_blend_ps(v[0], v[1], 0x49), v[2], 0x92);
    out[0] = _mm256_permutevar8x32_ps(x0, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
    out[1] = _mm256_permutevar8x32_ps(x1, _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6));
    out[2] = _mm256_permutevar8x32_ps(x2, _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7));
}

/* Also those up to the next multiple of GROUPS. */
static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out)
{
    for (size_t g = first; g < first + n; g += GROUPS, out += GROUPS) {
        vec activations[GROUP];
        vec sum[MAGNITUDES];
        __m256i v[MAGNITUDES];
        load_groups(x, cols, g * GROUP, activations);
        signed_sums(activations, sum);
        for (size_t i = 0; i < MAGNITUDES; i++)
            v[i] = _mm256_castps_si256(sum[i]);
        v_transpose_bytes(v);
        for (size_t i = 0; i < MAGNITUDES; i++) { /* byte i % 4 of groups i / 4 and i / 4 + 4 */
            _mm_storeu_si128((__m128i *)out[i / 4].plane[i % 4], _mm256_castsi256_si128(v[i]));
            _mm_storeu_si128((__m128i *)out[i / 4 + 4].plane[i % 4],
                             _mm256_extracti128_si256(v[i], 1));
        }
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
    k->float_rows = turned_rows;
    k->attend = exact_attend;
    logits_install(k);
    planes_install(k);
    k->float_tern = tern_many;
}
