/* vector_product.h - the product of operands, written once over a vector of cells.
 *
 * Not a header in the usual sense: the instruction-set files define `vec` (WIDTH floats), `cells`
 * (WIDTH 32-bit cells), c_load, c_broadcast and c_fma (sum + cell * cell), v_load, v_store and
 * v_set, the tile of C that fits the registers (TILE_ROWS x TILE_VECS), CELL_NUMBERS, the numbers
 * in a cell, and op_pack, then include this file. */

#include <string.h>

#include "kern/keep.h"

#define TILE_COLS ((size_t)TILE_VECS * WIDTH)
#define LINE_BYTES ((size_t)64) /* of a line of the cache */
#define DEPTH ((size_t)256)     /* rows of B between two visits to a tile of C */

/* The rows of a panel of a matrix stand as far apart as those of the matrix, often on so few sets
 * of the first cache that they do not stay there, though there is room. Then so many tiles that
 * read it are worth a copy. */
#define COPY_TILES ((size_t)4)
#define COPY_WORTH (DEPTH * TILE_COLS * sizeof(uint32_t) <= (16 << 10))

static double op_spin(size_t n)
{
    enum { SUMS = TILE_ROWS * TILE_VECS }; /* as many as a product has: they hide the latency */
    static const uint32_t nothing = 0;
    vec sum[SUMS];
    cells x = c_broadcast(&nothing);
    KEEP(x);
#pragma GCC unroll 24
    for (size_t i = 0; i < SUMS; i++) {
        sum[i] = v_set(0.0f);
        KEEP(sum[i]); /* the compiler would merge sums it knows are equal */
    }
    for (size_t r = 0; r < n; r++)
#pragma GCC unroll 24
        for (size_t i = 0; i < SUMS; i++)
            sum[i] = c_fma(x, x, sum[i]);
#pragma GCC unroll 24
    for (size_t i = 0; i < SUMS; i++)
        KEEP_RESULT(sum[i]);
    return (double)n * SUMS * WIDTH * 2 * CELL_NUMBERS;
}

/* One register tile, depth >= 1; `rows`, `vecs`, `fetch` and `add` are constants where it is
 * inlined (were `add` not, or the loop one that may not run at all, compilers would take the sums
 * through memory before and after it). */
INLINE void sum_tile(const size_t rows, const size_t vecs, const bool fetch, ptrdiff_t ahead,
                     size_t depth, const uint32_t *a, size_t a_row, size_t a_col, const uint32_t *b,
                     size_t b_stride, float *c, size_t c_stride, const bool add)
{
    vec sum[TILE_ROWS][TILE_VECS];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vecs; j++)
            sum[i][j] = add ? v_load(c + i * c_stride + j * WIDTH) : v_set(0.0f);
    for (size_t i = 0; i < rows; i++) /* the next tile's C, which is read and written once */
        for (size_t j = 0; j < vecs; j++)
            __builtin_prefetch(c + (rows + i) * c_stride + j * WIDTH, 1);
    const uint32_t *end = b + depth * b_stride; /* saves a counter in the innermost loop */
    do {
        cells row[TILE_VECS];
        if (fetch)
            __builtin_prefetch((const char *)b + ahead, 0, 2);
        for (size_t j = 0; j < vecs; j++)
            row[j] = c_load(b + j * WIDTH);
        for (size_t i = 0; i < rows; i++) {
            cells x = c_broadcast(a + i * a_row);
            for (size_t j = 0; j < vecs; j++)
                sum[i][j] = c_fma(x, row[j], sum[i][j]);
        }
        a += a_col;
        b += b_stride;
    } while (b != end);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vecs; j++)
            v_store(c + i * c_stride + j * WIDTH, sum[i][j]);
}

/* One register tile; `rows`, `vecs` and `fetch` are constants where it is inlined. fetch: asks for
 * the line of the cache `ahead` bytes after each row of B. */
INLINE void tile_of(const size_t rows, const size_t vecs, const bool fetch, ptrdiff_t ahead,
                    size_t depth, const uint32_t *a, size_t a_row, size_t a_col, const uint32_t *b,
                    size_t b_stride, float *c, size_t c_stride, bool add)
{
    if (add)
        sum_tile(rows, vecs, fetch, ahead, depth, a, a_row, a_col, b, b_stride, c, c_stride, true);
    else
        sum_tile(rows, vecs, fetch, ahead, depth, a, a_row, a_col, b, b_stride, c, c_stride, false);
}

_Static_assert(TILE_ROWS <= 8, "every count of rows has its case");

#define TILE_CASE(n)                                                                       \
    case n:                                                                                \
        tile_of(n, vecs, false, 0, depth, a, a_row, a_col, b, b_stride, c, c_stride, add); \
        break;
INLINE void tile_rows(size_t rows, const size_t vecs, size_t depth, const uint32_t *a, size_t a_row,
                      size_t a_col, const uint32_t *b, size_t b_stride, float *c, size_t c_stride,
                      bool add)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
#if TILE_ROWS > 3
        TILE_CASE(3)
#endif
#if TILE_ROWS > 4
        TILE_CASE(4)
#endif
#if TILE_ROWS > 5
        TILE_CASE(5)
#endif
#if TILE_ROWS > 6
        TILE_CASE(6)
#endif
#if TILE_ROWS > 7
        TILE_CASE(7)
#endif
    default:
        tile_of(TILE_ROWS, vecs, false, 0, depth, a, a_row, a_col, b, b_stride, c, c_stride, add);
        break;
    }
}
#undef TILE_CASE

static void tile(size_t rows, size_t depth, const uint32_t *a, size_t a_row, size_t a_col,
                 const uint32_t *b, size_t b_stride, float *c, size_t c_stride, bool add)
{
    tile_rows(rows, TILE_VECS, depth, a, a_row, a_col, b, b_stride, c, c_stride, add);
}

/* A whole tile that fetches. */
static void tile_ahead(ptrdiff_t ahead, size_t depth, const uint32_t *a, size_t a_row, size_t a_col,
                       const uint32_t *b, size_t b_stride, float *c, size_t c_stride, bool add)
{
    tile_of(TILE_ROWS, TILE_VECS, true, ahead, depth, a, a_row, a_col, b, b_stride, c, c_stride,
            add);
}

/* Half as wide: a block of rows of a symmetric matrix ends near the diagonal. */
static void half_tile(size_t rows, size_t depth, const uint32_t *a, size_t a_row, size_t a_col,
                      const uint32_t *b, size_t b_stride, float *c, size_t c_stride, bool add)
{
    tile_rows(rows, TILE_VECS / 2, depth, a, a_row, a_col, b, b_stride, c, c_stride, add);
}

/* The last, narrow columns: through a buffer of full width. */
static void edge_tile(size_t rows, size_t cols, size_t depth, const uint32_t *a, size_t a_row,
                      size_t a_col, const uint32_t *b, size_t b_stride, float *c, size_t c_stride,
                      bool add)
{
    float wide[TILE_ROWS * TILE_COLS];
    memset(wide, 0, sizeof wide);
    for (size_t i = 0; add && i < rows; i++)
        memcpy(wide + i * TILE_COLS, c + i * c_stride, cols * sizeof *c);
    tile(rows, depth, a, a_row, a_col, b, b_stride, wide, TILE_COLS, add);
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * c_stride, wide + i * TILE_COLS, cols * sizeof *c);
}

/* A transposed operand has the rows of a tile side by side and its p far apart. Unless all of it is
 * near (in the second cache, on few pages) a block of it is copied into tiles of
 * [depth][TILE_ROWS], so that each of its cache lines is fetched once and used whole. */
#define BLOCK_TILES ((size_t)16)
#define NEAR ((size_t)1 << 16) /* cells */

static void gather_tiles(const uint32_t *a, size_t a_row, size_t a_col, size_t rows, size_t depth,
                         uint32_t *tiles)
{
    for (size_t p = 0; p < depth; p++, a += a_col) {
        for (size_t i = 0; i < rows;
             i += WIDTH) /* far apart: the hardware does not prefetch them */
            __builtin_prefetch(a + 8 * a_col + i * a_row);
        for (size_t i = 0; i < rows; i += TILE_ROWS) {
            uint32_t *out = tiles + i * depth + p * TILE_ROWS;
            size_t n = MIN(rows - i, (size_t)TILE_ROWS);
            if (a_row == 1 && n == TILE_ROWS)
                memcpy(out, a + i, TILE_ROWS * sizeof *out);
            else
                for (size_t j = 0; j < n; j++)
                    out[j] = a[(i + j) * a_row];
        }
    }
}

/* Where the rows from p0 on of the panel that begins at column j0 stand. */
INLINE const uint32_t *panel_at(struct kern_b b, size_t k, size_t p0, size_t j0)
{
    const uint32_t *at = b.cells;
    return b.stride ? at + p0 * b.stride + j0 : at + j0 * k + p0 * TILE_COLS;
}

/* How many bytes after a panel of a far B the one stands that is read next; 0: none, or less than a
 * whole one. The processor does not foresee it: rows of B are hundreds of bytes apart, and the next
 * panel begins where no row of this one ended. */
INLINE ptrdiff_t next_panel(struct kern_b b, size_t n, size_t k, size_t p0, size_t depth, size_t j0)
{
    const uint32_t *here = panel_at(b, k, p0, j0);
    if (!b.far)
        return 0;
    if (j0 + 2 * TILE_COLS <= n)
        return (const char *)panel_at(b, k, p0, j0 + TILE_COLS) - (const char *)here;
    if (j0 + TILE_COLS >= n && p0 + 2 * depth <= k)
        return (const char *)panel_at(b, k, p0 + depth, 0) - (const char *)here;
    return 0;
}

/* Rows of a matrix as those of a panel; never reads past the end of a row. */
static void copy_panel(const uint32_t *from, size_t stride, size_t depth, size_t cols,
                       uint32_t *panel)
{
    if (cols == TILE_COLS) {
        for (size_t p = 0; p < depth; p++) /* of a length that is known, so no call */
            memcpy(panel + p * TILE_COLS, from + p * stride, TILE_COLS * sizeof *panel);
        return;
    }
    memset(panel, 0, depth * TILE_COLS * sizeof *panel);
    for (size_t p = 0; p < depth; p++)
        memcpy(panel + p * TILE_COLS, from + p * stride, cols * sizeof *panel);
}

/* C (+)= A B over `depth` rows of B, all columns. The first tiles of a panel fetch the next one,
 * each a line of each of its rows. */
INLINE void product_block(size_t m, size_t n, size_t k, size_t p0, size_t depth, const uint32_t *a,
                          size_t a_row, size_t a_col, size_t a_tile, struct kern_b b, float *c,
                          size_t c_stride, bool add)
{
    uint32_t copy[DEPTH * TILE_COLS];
    for (size_t j0 = 0; j0 < n; j0 += TILE_COLS) {
        size_t cols = MIN(n - j0, TILE_COLS);
        size_t stride = b.stride ? b.stride : TILE_COLS;
        const uint32_t *panel = panel_at(b, k, p0, j0);
        const ptrdiff_t next = next_panel(b, n, k, p0, depth, j0);
        bool whole = cols == TILE_COLS || cols == TILE_COLS / 2;
        bool copied = COPY_WORTH && m >= COPY_TILES * TILE_ROWS;
        if (b.stride && (!whole || copied)) {
            copy_panel(panel, stride, depth, cols, copy);
            panel = copy;
            stride = TILE_COLS;
        }
        for (size_t i0 = 0; i0 < m; i0 += TILE_ROWS) {
            size_t rows = MIN(m - i0, (size_t)TILE_ROWS);
            const uint32_t *at = a + i0 / TILE_ROWS * a_tile;
            float *ct = c + i0 * c_stride + j0;
            size_t line = i0 / TILE_ROWS * LINE_BYTES;
            if (next && cols == TILE_COLS && rows == TILE_ROWS && line < TILE_COLS * sizeof *at)
                tile_ahead(next + (ptrdiff_t)line, depth, at, a_row, a_col, panel, stride, ct,
                           c_stride, add);
            else if (cols == TILE_COLS)
                tile(rows, depth, at, a_row, a_col, panel, stride, ct, c_stride, add);
            else if (whole)
                half_tile(rows, depth, at, a_row, a_col, panel, stride, ct, c_stride, add);
            else
                edge_tile(rows, cols, depth, at, a_row, a_col, panel, stride, ct, c_stride, add);
        }
    }
}

static void op_product(size_t m, size_t n, size_t k, const void *a_cells, size_t a_row,
                       size_t a_col, struct kern_b b, float *c, size_t c_stride, bool add)
{
    const uint32_t *a = a_cells;
    const size_t block = BLOCK_TILES * TILE_ROWS;
    uint32_t tiles[BLOCK_TILES * TILE_ROWS * DEPTH];
    for (size_t p0 = 0; p0 < k; p0 += DEPTH) {
        size_t depth = MIN(k - p0, DEPTH);
        if (a_col == 1 || a_col * depth <= NEAR) {
            product_block(m, n, k, p0, depth, a + p0 * a_col, a_row, a_col, TILE_ROWS * a_row, b, c,
                          c_stride, add || p0);
            continue;
        }
        for (size_t i0 = 0; i0 < m; i0 += block) {
            size_t rows = MIN(m - i0, block);
            gather_tiles(a + i0 * a_row + p0 * a_col, a_row, a_col, rows, depth, tiles);
            product_block(rows, n, k, p0, depth, tiles, 1, TILE_ROWS, depth * TILE_ROWS, b,
                          c + i0 * c_stride, c_stride, add || p0);
        }
    }
}
