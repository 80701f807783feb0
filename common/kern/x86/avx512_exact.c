/* avx512_exact.c - inference with AVX-512 F, BW, DQ, VL. Compiled with the flags of these; called
 * only where they exist.
 *
 * Ternary weights: a signed sum of three activations is one of 32 floats, two registers, the second
 * being the first negated; vpermt2ps looks 16 of them up. Six indices of 5 bits stand in a word of
 * 32 bits: the instruction looks at the lowest 5 only, so that the next one is a shift away. */
#include "kern/x86/x86.h"

#include "kern/x86/v512.h"

#define HEAD_VECS 8
#define HEAD_TILE_VECS 4 /* 16 sums, 4 activations, a weight and a product: 22 of 32 registers */
#define HEAD_TILE_ROWS 4

#include "kern/keep.h"
#include "kern/vector_attend.h"
#include "kern/vector_exact.h"
#include "kern/vector_logits.h"
#include "kern/vector_rows.h"
#include "kern/vector_tern.h"

enum {
    FIELDS = 6, /* indices in a word */
    INDEX_BITS = 5,
    TERN_VECS = 4,
    TERN_PANEL = TERN_VECS * WIDTH,
    TERN_TOKENS = 4, /* at a time: they share the shifts; 16 sums, 8 words and indices, a table */
    TABLES = 192     /* in the first-level cache: 24 KB; a multiple of FIELDS * TERN_TOKENS */
};

struct table {
    float sum[2][MAGNITUDES];
};

static size_t tern_words(size_t cols)
{
    return DIV_UP(DIV_UP(cols, (size_t)GROUP), (size_t)FIELDS);
}

static size_t tern_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)TERN_PANEL) * TERN_PANEL * tern_words(cols) * sizeof(uint32_t);
}

static uint32_t tern_word(const uint8_t index[64], const uint8_t *row, size_t cols, size_t word)
{
    size_t first = word * FIELDS;
    size_t n = MIN(DIV_UP(cols, (size_t)GROUP) - first, (size_t)FIELDS);
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint32_t)index[tern_group(row, cols, first + i)] << i * INDEX_BITS;
    return bits;
}

/* For each panel, words of six groups, rows. */
static void tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    uint32_t *out = packed;
    uint8_t index[64];
    for (unsigned i = 0; i < ARRAY_LEN(index); i++) {
        struct tern_index t = tern_index_of(i);
        index[i] = (uint8_t)(t.magnitude % MAGNITUDES | (t.negative ? MAGNITUDES : 0));
    }
    for (size_t r0 = 0; r0 < rows; r0 += TERN_PANEL)
        for (size_t w = 0; w < tern_words(cols); w++)
            for (size_t r = r0; r < r0 + TERN_PANEL; r++)
                *out++ =
                    r < rows ? tern_word(index, codes + r * DIV_UP(cols, (size_t)4), cols, w) : 0;
}

/* Tables of the groups [first, first + n), `stride` tables apart. */
static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out,
                        size_t stride)
{
    const __m512i digit0 = _mm512_loadu_si512(tern_digits[0]);
    const __m512i digit1 = _mm512_loadu_si512(tern_digits[1]);
    const __m512i digit2 = _mm512_loadu_si512(tern_digits[2]);
    const __mmask16 has0 = _mm512_test_epi32_mask(digit0, digit0);
    const __mmask16 has1 = _mm512_test_epi32_mask(digit1, digit1);
    const __mmask16 has2 = _mm512_test_epi32_mask(digit2, digit2);
    const vec sign = v_set(-0.0f);
    const vec sign1 = _mm512_and_ps(_mm512_castsi512_ps(digit1), sign);
    const vec sign2 = _mm512_and_ps(_mm512_castsi512_ps(digit2), sign);
    float room[GROUP];
    for (size_t g = first; g < first + n; g++, out += stride) {
        const float *v = tern_activations(x, cols, g, room);
        vec t0 = _mm512_maskz_mov_ps(has0, v_set(v[0]));
        vec t1 = _mm512_xor_ps(_mm512_maskz_mov_ps(has1, v_set(v[1])), sign1);
        vec t2 = _mm512_xor_ps(_mm512_maskz_mov_ps(has2, v_set(v[2])), sign2);
        vec sum = v_add(v_add(t0, t1), t2);
        v_store(out->sum[0], sum);
        v_store(out->sum[1], _mm512_xor_ps(sum, sign));
    }
}

/* Adds the sums of one group to all vectors of a panel. */
INLINE void add_group(const size_t tokens, const __m512i index[TERN_VECS],
                      const struct table *table, vec sum[][TERN_VECS])
{
    for (size_t i = 0; i < tokens; i++) {
        vec low = v_load(table[i].sum[0]);
        vec high = v_load(table[i].sum[1]);
        for (size_t j = 0; j < TERN_VECS; j++) {
            sum[i][j] = v_add(sum[i][j], _mm512_permutex2var_ps(low, index[j], high));
            KEEP(sum[i][j]); /* compilers would look all up first, and run out of registers */
        }
    }
}

/* n groups of a panel. */
INLINE void add_groups(const size_t tokens, const uint32_t *words, size_t n,
                       const struct table *table, vec sum[][TERN_VECS])
{
    __m512i word[TERN_VECS];
    __m512i index[TERN_VECS];
    for (; n >= FIELDS; n -= FIELDS, words += TERN_PANEL) {
        for (size_t j = 0; j < TERN_VECS; j++)
            word[j] = _mm512_loadu_si512(words + j * WIDTH);
#pragma GCC unroll 6
        for (unsigned f = 0; f < FIELDS; f++, table += tokens) {
            for (size_t j = 0; j < TERN_VECS; j++)
                index[j] = _mm512_srli_epi32(word[j], f * INDEX_BITS);
            add_group(tokens, index, table, sum);
        }
    }
    if (n == 0)
        return;
    for (size_t j = 0; j < TERN_VECS; j++)
        index[j] = _mm512_loadu_si512(words + j * WIDTH);
    for (; n > 0; n--, table += tokens) {
        add_group(tokens, index, table, sum);
        for (size_t j = 0; j < TERN_VECS; j++)
            index[j] = _mm512_srli_epi32(index[j], INDEX_BITS);
    }
}

/* The sums of a panel so far are in y, if `add`; at most `rows` of them. */
INLINE void tern_panel(const size_t tokens, const uint32_t *words, size_t n,
                       const struct table *table, bool add, float factor, size_t rows, float *y,
                       size_t y_stride)
{
    vec sum[TERN_TOKENS][TERN_VECS];
    vmask have[TERN_VECS];
    for (size_t j = 0; j < TERN_VECS; j++) {
        have[j] = rows > j * WIDTH ? v_mask(MIN(rows - j * WIDTH, (size_t)WIDTH)) : 0;
        for (size_t i = 0; i < tokens; i++)
            sum[i][j] = add ? v_load_mask(y + i * y_stride + j * WIDTH, have[j]) : v_set(0.0f);
    }
    add_groups(tokens, words, n, table, sum);
    for (size_t j = 0; j < TERN_VECS; j++)
        for (size_t i = 0; i < tokens; i++)
            v_store_mask(y + i * y_stride + j * WIDTH, v_mul(sum[i][j], v_set(factor)), have[j]);
}

/* All rows for a few tokens: chunks of groups, whose tables are made once. */
INLINE void tern_tokens(const size_t tokens, const uint32_t *words, size_t rows, size_t cols,
                        float alpha, const float *x, size_t x_stride, float *y, size_t y_stride)
{
    _Alignas(64) struct table tables[TABLES];
    const size_t chunk = TABLES / tokens;
    const size_t groups = DIV_UP(cols, (size_t)GROUP);
    const size_t panel_words = tern_words(cols) * TERN_PANEL;
    for (size_t g = 0; g < groups; g += chunk) {
        size_t n = MIN(groups - g, chunk);
        for (size_t i = 0; i < tokens; i++)
            make_tables(x + i * x_stride, cols, g, n, tables + i, tokens);
        const uint32_t *at = words + g / FIELDS * TERN_PANEL;
        for (size_t r = 0; r < rows; r += TERN_PANEL, at += panel_words)
            tern_panel(tokens, at, n, tables, g > 0, g + n == groups ? alpha : 1.0f, rows - r,
                       y + r, y_stride);
    }
}

static void tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                 const float *x, size_t x_stride, float *y, size_t y_stride)
{
    size_t i = 0;
    for (; i + TERN_TOKENS <= m; i += TERN_TOKENS)
        tern_tokens(TERN_TOKENS, packed, rows, cols, alpha, x + i * x_stride, x_stride,
                    y + i * y_stride, y_stride);
    for (; i + 2 <= m; i += 2)
        tern_tokens(2, packed, rows, cols, alpha, x + i * x_stride, x_stride, y + i * y_stride,
                    y_stride);
    if (i < m)
        tern_tokens(1, packed, rows, cols, alpha, x + i * x_stride, 0, y + i * y_stride, 0);
}

void kern_avx512_exact(struct kern_exact *k)
{
    exact_install(k);
    k->float_rows = turned_rows;
    k->attend = exact_attend;
    logits_install(k);
    k->float_tern_panel = TERN_PANEL;
    k->float_tern_bytes = tern_bytes;
    k->float_tern_pack = tern_pack;
    k->float_tern = tern;
}
