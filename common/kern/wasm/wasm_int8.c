/* wasm_int8.c - int8 products where swizzle looks 16 bytes up in 16 and dot multiplies 16 bits by
 * 16, adding neighbours.
 *
 * Ternary weights come in groups of three columns, whose signed sum is looked up: a table holds the
 * sums of the magnitudes of vector_tern.h in two planes, their low and their high bytes. A negative
 * one is looked up too and its bits are turned over, which makes it one too low; so a panel begins
 * with how many of its groups are negative, row by row. A panel is 16 rows, [groups][16] indices.
 *
 * The head takes two columns at a time: of a panel of 32 rows, [cols / 2][32][2] bytes. */
#include "kern/wasm/wasm.h"

#include <string.h>
#include <wasm_simd128.h>

#include "kern/v128/v128.h"
#include "kern/vector_tern.h"

enum {
    TERN_PANEL = 16,
    TERN_COUNTS = TERN_PANEL * sizeof(uint16_t), /* bytes before the indices */
    NEGATIVE = 1 << 7,                           /* of an index */
    TABLES = 256,                                /* in the first-level cache: 8 KB */
    BLOCK = 64,    /* groups whose sums, of at most 3 * 127 + 1, fit 16 bits */
    HEAD_VECS = 8, /* sums that hide the latency of an addition */
    HEAD_PANEL = HEAD_VECS * WIDTH,
    HEAD_COLS = 2,
    MOST_COLS = 8192
};

/* ---- ternary weights ------------------------------------------------------------------------- */

struct table {
    uint8_t low[MAGNITUDES];
    uint8_t high[MAGNITUDES];
};

static size_t panel_bytes(size_t cols)
{
    return ALIGN_UP(TERN_COUNTS + DIV_UP(cols, (size_t)GROUP) * TERN_PANEL, 64);
}

static size_t tern_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)TERN_PANEL) * panel_bytes(cols);
}

static void tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    uint8_t *panel = packed;
    size_t row_bytes = DIV_UP(cols, (size_t)4);
    memset(packed, 0, tern_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += TERN_PANEL, panel += panel_bytes(cols))
        for (size_t r = 0; r < MIN(rows - r0, (size_t)TERN_PANEL); r++) {
            uint16_t count = 0;
            uint8_t *index = panel + TERN_COUNTS + r;
            for (size_t g = 0; g < DIV_UP(cols, (size_t)GROUP); g++, index += TERN_PANEL) {
                struct tern_index t =
                    tern_index_of(tern_group(codes + (r0 + r) * row_bytes, cols, g));
                *index = (uint8_t)(t.magnitude | (t.negative ? NEGATIVE : 0));
                count = (uint16_t)(count + t.negative);
            }
            memcpy(panel + r * sizeof count, &count, sizeof count);
        }
}

/* Half of the sums of a group: those whose digits are given. */
INLINE v128_t half_sums(const int8_t x[GROUP], const int16_t digits[GROUP][MAGNITUDES], size_t from)
{
    v128_t sum = wasm_i16x8_splat(0);
    for (size_t i = 0; i < GROUP; i++)
        sum = wasm_i16x8_add(
            sum, wasm_i16x8_mul(wasm_i16x8_splat(x[i]), wasm_v128_load(digits[i] + from)));
    return sum;
}

/* Tables of the groups [first, first + n). Beyond the columns, q is zero or a code is that of 0. */
static void make_tables(const int8_t *q, size_t cols, size_t first, size_t n, struct table *out)
{
    int16_t digits[GROUP][MAGNITUDES];
    for (size_t i = 0; i < GROUP; i++)
        for (size_t j = 0; j < MAGNITUDES; j++)
            digits[i][j] = (int16_t)tern_digits[i][j];
    for (size_t g = first; g < first + n; g++, out++) {
        int8_t x[GROUP];
        for (size_t i = 0; i < GROUP; i++)
            x[i] = GROUP * g + i < cols ? q[GROUP * g + i] : 0;
        v128_t a = half_sums(x, digits, 0);
        v128_t b = half_sums(x, digits, MAGNITUDES / 2);
        v128_t byte = wasm_i16x8_splat(0xff);
        wasm_v128_store(out->low,
                        wasm_u8x16_narrow_i16x8(wasm_v128_and(a, byte), wasm_v128_and(b, byte)));
        wasm_v128_store(out->high,
                        wasm_i8x16_narrow_i16x8(wasm_i16x8_shr(a, 8), wasm_i16x8_shr(b, 8)));
    }
}

/* Adds the sums of one group to those of a panel, the first eight rows and the last. */
INLINE void add_group(const uint8_t *indices, const struct table *table, v128_t sum[2])
{
    v128_t packed = wasm_v128_load(indices);
    v128_t index = wasm_v128_and(packed, wasm_i8x16_splat(MAGNITUDES - 1));
    v128_t negative = wasm_i8x16_lt(packed, wasm_i8x16_splat(0));
    v128_t low = wasm_v128_xor(wasm_i8x16_swizzle(wasm_v128_load(table->low), index), negative);
    v128_t high = wasm_v128_xor(wasm_i8x16_swizzle(wasm_v128_load(table->high), index), negative);
    sum[0] = wasm_i16x8_add(sum[0], wasm_i8x16_shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                                       5, 21, 6, 22, 7, 23));
    sum[1] = wasm_i16x8_add(sum[1], wasm_i8x16_shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                                       28, 13, 29, 14, 30, 15, 31));
}

/* Adds the sums of n groups to those of a panel. */
INLINE void add_groups(const uint8_t *indices, size_t n, const struct table *table, v128_t whole[4])
{
    while (n > 0) {
        size_t block = MIN(n, (size_t)BLOCK);
        v128_t sum[2] = {wasm_i16x8_splat(0), wasm_i16x8_splat(0)};
        for (size_t g = 0; g < block; g++)
            add_group(indices + g * TERN_PANEL, table + g, sum);
        for (size_t h = 0; h < 2; h++) {
            whole[2 * h] = wasm_i32x4_add(whole[2 * h], wasm_i32x4_extend_low_i16x8(sum[h]));
            whole[2 * h + 1] =
                wasm_i32x4_add(whole[2 * h + 1], wasm_i32x4_extend_high_i16x8(sum[h]));
        }
        indices += block * TERN_PANEL;
        table += block;
        n -= block;
    }
}

/* At most `rows` numbers of y, from vector j on, become v. */
INLINE void put(float *y, size_t j, size_t rows, vec v)
{
    size_t first = j * WIDTH;
    if (first + WIDTH <= rows)
        v_store(y + first, v);
    else if (first < rows)
        v_store_mask(y + first, v, rows - first);
}

/* The groups [g, g + n) of a panel: y is their sum and, from the second time on, what it was;
 * whole numbers, and of a size that a float holds. The last time, times the factor. */
static void tern_panel(const uint8_t *panel, size_t g, size_t n, bool last, float factor,
                       const struct table *tables, size_t rows, float *y)
{
    v128_t whole[4];
    for (size_t j = 0; j < 4; j++)
        whole[j] = g > 0 ? wasm_i32x4_splat(0) : wasm_u32x4_load16x4(panel + j * 8);
    add_groups(panel + TERN_COUNTS + g * TERN_PANEL, n, tables, whole);
    for (size_t j = 0; j < 4; j++) {
        vec v = (vec)wasm_f32x4_convert_i32x4(whole[j]);
        if (g > 0 && j * WIDTH < rows)
            v = v_add(v, v_load_mask(y + j * WIDTH, MIN(rows - j * WIDTH, (size_t)WIDTH)));
        put(y, j, rows, last ? v_mul(v, v_set(factor)) : v);
    }
}

static void tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                 const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                 size_t y_stride)
{
    _Alignas(64) struct table tables[TABLES];
    const size_t groups = DIV_UP(cols, (size_t)GROUP);
    for (size_t i = 0; i < m; i++, q += q_stride, y += y_stride)
        for (size_t g = 0; g < groups; g += TABLES) {
            size_t n = MIN(groups - g, (size_t)TABLES);
            const uint8_t *panel = packed;
            make_tables(q, cols, g, n, tables);
            for (size_t r = 0; r < rows; r += TERN_PANEL, panel += panel_bytes(cols))
                tern_panel(panel, g, n, g + n == groups, alpha * row[i].scale, tables, rows - r,
                           y + r);
        }
}

/* ---- the head -------------------------------------------------------------------------------- */

static size_t head_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)HEAD_PANEL) * HEAD_PANEL * DIV_UP(cols, (size_t)HEAD_COLS) *
           HEAD_COLS;
}

static void head_pack(const int8_t *w, size_t rows, size_t cols, void *packed)
{
    int8_t *panel = packed;
    memset(packed, 0, head_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += HEAD_PANEL, panel += head_bytes(HEAD_PANEL, cols))
        for (size_t r = 0; r < MIN(rows - r0, (size_t)HEAD_PANEL); r++)
            for (size_t c = 0; c < cols; c++)
                panel[(c / HEAD_COLS * HEAD_PANEL + r) * HEAD_COLS + c % HEAD_COLS] =
                    w[(r0 + r) * cols + c];
}

static void head_panel(const int8_t *w, size_t n_pairs, const int32_t *pairs, float scale,
                       const float *w_scale, size_t rows, float *y)
{
    v128_t sum[HEAD_VECS];
    for (size_t j = 0; j < HEAD_VECS; j++)
        sum[j] = wasm_i32x4_splat(0);
    for (size_t c = 0; c < n_pairs; c++, w += HEAD_PANEL * HEAD_COLS) {
        v128_t x = wasm_v128_load32_splat(pairs + c);
        for (size_t j = 0; j < HEAD_VECS; j++)
            sum[j] = wasm_i32x4_add(
                sum[j], wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w + j * WIDTH * HEAD_COLS), x));
    }
    for (size_t j = 0; j < HEAD_VECS && j * WIDTH < rows; j++) {
        vec v = v_mul((vec)wasm_f32x4_convert_i32x4(sum[j]), v_set(scale));
        vmask have = MIN(rows - j * WIDTH, (size_t)WIDTH);
        put(y, j, rows, v_mul(v, v_load_mask(w_scale + j * WIDTH, have)));
    }
}

static void head(const void *packed, const float *w_scale, size_t rows, size_t cols, size_t m,
                 const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                 size_t y_stride)
{
    int32_t pairs[MOST_COLS / HEAD_COLS];
    size_t n_pairs = DIV_UP(cols, (size_t)HEAD_COLS);
    for (size_t i = 0; i < m; i++, q += q_stride, y += y_stride) {
        const int8_t *w = packed;
        for (size_t c = 0; c < n_pairs; c++) /* beyond the columns, q is zero */
            pairs[c] = (int32_t)((uint32_t)q[2 * c + 1] << 16 | (uint16_t)q[2 * c]);
        for (size_t r = 0; r < rows; r += HEAD_PANEL, w += head_bytes(HEAD_PANEL, cols))
            head_panel(w, n_pairs, pairs, row[i].scale, w_scale + r, rows - r, y + r);
    }
}

void kern_wasm_int8(struct kern_exact *k)
{
    k->int8_tern_panel = TERN_PANEL;
    k->int8_tern_bytes = tern_bytes;
    k->int8_tern_pack = tern_pack;
    k->int8_tern = tern;
    k->int8_head_panel = HEAD_PANEL;
    k->int8_head_bytes = head_bytes;
    k->int8_head_pack = head_pack;
    k->int8_head = head;
}
