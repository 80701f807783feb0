/* vector_planes.h - ternary weights and float activations where an instruction looks bytes up in
 * 16: each table of 16 signed sums is four planes of 16 bytes, the bytes of a float. The rows of a
 * panel are looked up in each plane, the signs put into the highest bytes, and the planes
 * interleaved to floats.
 *
 * Not a header in the usual sense: a file of an instruction set defines its vector type and
 * TERN_SIGN_BIT, includes this file, and then defines what is declared here without a body. */
#include "kern/vector_tern.h"

enum {
    TERN_VECS = 4,
    TERN_PANEL = TERN_VECS * WIDTH, /* rows; of a group of columns, a byte each */
    TABLES = 256,                   /* in the first-level cache: 16 KB */
    TERN_AHEAD = 1024               /* bytes: of indices, which no other token has read */
};

struct table {
    uint8_t plane[4][MAGNITUDES];
};

/* Where the index of a row stands among those of its panel: as interleaving brings it to its lane.
 */
INLINE size_t place_of(size_t row);

/* Tables of the groups [first, first + n), n <= TABLES; may write all TABLES. */
static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out);

/* Adds the sums of one group to those of a panel. An index is a magnitude, and TERN_SIGN_BIT. */
INLINE void add_group(const uint8_t *indices, const struct table *table, vec sum[TERN_VECS]);

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
        index[i] = (uint8_t)(t.magnitude % MAGNITUDES | (t.negative ? TERN_SIGN_BIT : 0));
    }
    memset(packed, 0, tern_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += TERN_PANEL)
        for (size_t g = 0; g < DIV_UP(cols, (size_t)GROUP); g++, out += TERN_PANEL)
            for (size_t r = r0; r < MIN(rows, r0 + TERN_PANEL); r++)
                out[place_of(r - r0)] =
                    index[tern_group(codes + r * DIV_UP(cols, (size_t)4), cols, g)];
}

/* n groups of a panel; its sums so far are in y, if `add`; at most `rows` of them. */
static void tern_panel(const uint8_t *indices, size_t n, const struct table *table, bool add,
                       float factor, size_t rows, float *y)
{
    vec sum[TERN_VECS];
    for (size_t j = 0; j < TERN_VECS; j++)
        sum[j] =
            add && rows > j * WIDTH ? load_up_to(y + j * WIDTH, rows - j * WIDTH) : v_set(0.0f);
    const struct table *end = table + n;
    for (; table + 1 < end; table += 2, indices += 2 * (size_t)TERN_PANEL) {
        __builtin_prefetch(indices + TERN_AHEAD);
        add_group(indices, table, sum);
        add_group(indices + TERN_PANEL, table + 1, sum);
    }
    if (table < end)
        add_group(indices, table, sum);
    for (size_t j = 0; j < TERN_VECS && j * WIDTH < rows; j++)
        store_up_to(y + j * WIDTH, v_mul(sum[j], v_set(factor)), rows - j * WIDTH);
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

INLINE void planes_install(struct kern_exact *k)
{
    k->float_tern_panel = TERN_PANEL;
    k->float_tern_bytes = tern_bytes;
    k->float_tern_pack = tern_pack;
    k->float_tern = tern;
}
