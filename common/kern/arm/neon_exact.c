/* neon_exact.c - inference with float activations and NEON.
 *
 * Ternary weights: tbl looks 16 bytes up in 16. So each table of 16 signed sums is four planes of
 * 16 bytes, the bytes of a float; 16 rows at a time are looked up in each plane, the signs put into
 * the highest bytes, and the planes interleaved to floats. */
#include "kern/arm/arm.h"

#include "kern/arm/neon.h"

#define HEAD_VECS 8
#define HEAD_TILE_VECS 4 /* 16 sums, 4 activations, a weight and a product: 22 of 32 registers */
#define HEAD_TILE_ROWS 4

#include "kern/vector_exact.h"
#include "kern/vector_logits.h"
#include "kern/vector_tern.h"

enum {
    TERN_VECS = 4,
    TERN_PANEL = TERN_VECS * WIDTH,
    TABLES = 256, /* in the first-level cache: 16 KB */
    SIGN_BIT = 1 << 7
};

struct table {
    uint8_t plane[4][MAGNITUDES];
};

static size_t tern_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)TERN_PANEL) * TERN_PANEL * DIV_UP(cols, (size_t)GROUP);
}

/* For each panel, groups of columns, rows. */
static void tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    uint8_t *out = packed;
    uint8_t index[64];
    for (unsigned i = 0; i < ARRAY_LEN(index); i++) {
        struct tern_index t = tern_index_of(i);
        index[i] = (uint8_t)(t.magnitude % MAGNITUDES | (t.negative ? SIGN_BIT : 0));
    }
    memset(packed, 0, tern_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += TERN_PANEL)
        for (size_t g = 0; g < DIV_UP(cols, (size_t)GROUP); g++, out += TERN_PANEL)
            for (size_t r = r0; r < MIN(rows, r0 + TERN_PANEL); r++)
                out[r - r0] = index[tern_group(codes + r * DIV_UP(cols, (size_t)4), cols, g)];
}

/* A term of four magnitudes: x times digits, which are -1, 0 or 1. */
INLINE vec term(float x, int32x4_t digits)
{
    uint32x4_t has = vtstq_s32(digits, digits);
    uint32x4_t sign = vandq_u32(vreinterpretq_u32_s32(digits), vdupq_n_u32(0x80000000));
    uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(v_set(x)), has);
    return vreinterpretq_f32_u32(veorq_u32(bits, sign));
}

static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out)
{
    float room[GROUP];
    float sums[MAGNITUDES];
    for (size_t g = first; g < first + n; g++, out++) {
        const float *v = tern_activations(x, cols, g, room);
        for (size_t j = 0; j < MAGNITUDES; j += WIDTH)
            v_store(sums + j, v_add(v_add(term(v[0], vld1q_s32(tern_digits[0] + j)),
                                          term(v[1], vld1q_s32(tern_digits[1] + j))),
                                    term(v[2], vld1q_s32(tern_digits[2] + j))));
        uint8x16x4_t planes = vld4q_u8((const uint8_t *)sums);
        for (size_t j = 0; j < 4; j++)
            vst1q_u8(out->plane[j], planes.val[j]);
    }
}

INLINE vec interleaved(uint8x16_t low_halves, uint8x16_t high_halves, bool second)
{
    uint16x8_t low = vreinterpretq_u16_u8(low_halves);
    uint16x8_t high = vreinterpretq_u16_u8(high_halves);
    return vreinterpretq_f32_u16(second ? vzip2q_u16(low, high) : vzip1q_u16(low, high));
}

INLINE void add_group(const uint8_t *indices, const struct table *table, vec sum[TERN_VECS])
{
    uint8x16_t packed = vld1q_u8(indices);
    uint8x16_t index = vandq_u8(packed, vdupq_n_u8(MAGNITUDES - 1));
    uint8x16_t sign = vandq_u8(packed, vdupq_n_u8(SIGN_BIT));
    uint8x16_t p0 = vqtbl1q_u8(vld1q_u8(table->plane[0]), index);
    uint8x16_t p1 = vqtbl1q_u8(vld1q_u8(table->plane[1]), index);
    uint8x16_t p2 = vqtbl1q_u8(vld1q_u8(table->plane[2]), index);
    uint8x16_t p3 = veorq_u8(vqtbl1q_u8(vld1q_u8(table->plane[3]), index), sign);
    sum[0] = v_add(sum[0], interleaved(vzip1q_u8(p0, p1), vzip1q_u8(p2, p3), false));
    sum[1] = v_add(sum[1], interleaved(vzip1q_u8(p0, p1), vzip1q_u8(p2, p3), true));
    sum[2] = v_add(sum[2], interleaved(vzip2q_u8(p0, p1), vzip2q_u8(p2, p3), false));
    sum[3] = v_add(sum[3], interleaved(vzip2q_u8(p0, p1), vzip2q_u8(p2, p3), true));
}

/* n groups of a panel; its sums so far are in y, if `add`; at most `rows` of them. */
static void tern_panel(const uint8_t *indices, size_t n, const struct table *table, bool add,
                       float factor, size_t rows, float *y)
{
    vec sum[TERN_VECS];
    vmask have[TERN_VECS];
    for (size_t j = 0; j < TERN_VECS; j++) {
        have[j] = v_mask(rows > j * WIDTH ? MIN(rows - j * WIDTH, (size_t)WIDTH) : 0);
        sum[j] = add ? v_load_mask(y + j * WIDTH, have[j]) : v_set(0.0f);
    }
    for (size_t g = 0; g < n; g++)
        add_group(indices + g * TERN_PANEL, table + g, sum);
    for (size_t j = 0; j < TERN_VECS; j++)
        v_store_mask(y + j * WIDTH, v_mul(sum[j], v_set(factor)), have[j]);
}

static void tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                 const float *x, size_t x_stride, float *y, size_t y_stride)
{
    _Alignas(64) struct table tables[TABLES];
    const size_t groups = DIV_UP(cols, (size_t)GROUP);
    for (size_t i = 0; i < m; i++, x += x_stride, y += y_stride)
        for (size_t g = 0; g < groups; g += TABLES) {
            size_t n = MIN(groups - g, (size_t)TABLES);
            const uint8_t *at = (const uint8_t *)packed + g * TERN_PANEL;
            make_tables(x, cols, g, n, tables);
            for (size_t r = 0; r < rows; r += TERN_PANEL, at += groups * TERN_PANEL)
                tern_panel(at, n, tables, g > 0, g + n == groups ? alpha : 1.0f, rows - r, y + r);
        }
}

void kern_neon_exact(struct kern_exact *k)
{
    exact_install(k);
    logits_install(k);
    k->float_tern_panel = TERN_PANEL;
    k->float_tern_bytes = tern_bytes;
    k->float_tern_pack = tern_pack;
    k->float_tern = tern;
}
