/* bf16.c - products of bf16 cells in plain C: the reference, and the way to run a bf16 recipe on a
 * machine without the instructions (slowly). */
#include "kern/bf16.h"

#include "kern/kern.h"

enum { TILE_COLS = 16 };

static void operand_c(const float *x, size_t rows, size_t cols, void *by_rows, void *by_columns)
{
    size_t row_cells = DIV_UP(cols, 2);
    uint32_t *out = by_rows;
    for (size_t r = 0; out && r < rows; r++)
        for (size_t j = 0; j < row_cells; j++)
            out[r * row_cells + j] =
                bf16_cell(x[r * cols + 2 * j], 2 * j + 1 < cols ? x[r * cols + 2 * j + 1] : 0);
    out = by_columns;
    for (size_t r = 0; out && r < rows; r += 2)
        for (size_t c = 0; c < cols; c++)
            out[r / 2 * cols + c] =
                bf16_cell(x[r * cols + c], r + 1 < rows ? x[(r + 1) * cols + c] : 0);
}

static void pack_c(const float *w, size_t n_out, size_t n_in, size_t first, size_t count, void *out)
{
    size_t k = DIV_UP(n_in, 2);
    for (size_t j = first; j < first + ALIGN_UP(count, TILE_COLS); j++) {
        uint32_t *column = (uint32_t *)out + j / TILE_COLS * TILE_COLS * k + j % TILE_COLS;
        const float *row = w + j * n_in;
        for (size_t p = 0; p < k; p++)
            column[p * TILE_COLS] =
                j < n_out ? bf16_cell(row[2 * p], 2 * p + 1 < n_in ? row[2 * p + 1] : 0) : 0;
    }
}

static double spin_c(size_t n)
{
    volatile uint32_t zero = 0;
    uint32_t x = zero;
    float sum[4] = {0};
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < 4; i++)
            sum[i] += bf16_to(x + (uint32_t)r % 2) * bf16_to(x);
    volatile float out = sum[0] + sum[1] + sum[2] + sum[3];
    (void)out;
    return (double)n * 8;
}

static void product_c(size_t m, size_t n, size_t k, const void *a_cells, size_t a_row, size_t a_col,
                      struct kern_b b, float *c, size_t c_stride, bool add)
{
    const uint32_t *a = a_cells;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            size_t stride = b.stride ? b.stride : TILE_COLS;
            const uint32_t *column = (const uint32_t *)b.cells +
                                     (b.stride ? j : j / TILE_COLS * TILE_COLS * k + j % TILE_COLS);
            float sum = add ? c[i * c_stride + j] : 0;
            for (size_t p = 0; p < k; p++) {
                uint32_t x = a[i * a_row + p * a_col];
                uint32_t y = column[p * stride];
                sum += bf16_to(x >> 16) * bf16_to(y >> 16);
                sum += bf16_to(x & 0xffff) * bf16_to(y & 0xffff);
            }
            c[i * c_stride + j] = sum;
        }
}

static void powers_c(float *x, size_t x_stride, size_t rows, size_t n, const float *level,
                     float *sum, void *by_rows, void *by_columns, size_t columns_stride)
{
    size_t width = DIV_UP(n, 2);
    kern_powers_c(x, x_stride, rows, n, level, sum, NULL, NULL, 0);
    for (size_t r = 0; r < rows; r++)
        operand_c(x + r * x_stride, 1, n, (uint32_t *)by_rows + r * width, NULL);
    uint32_t *out = by_columns;
    for (size_t r = 0; r < rows; r += 2, out += columns_stride)
        for (size_t c = 0; c < n; c++)
            out[c] = bf16_cell(x[r * x_stride + c], r + 1 < rows ? x[(r + 1) * x_stride + c] : 0);
}

void kern_use_bf16(struct kern *k)
{
    k->powers = powers_c;
    k->unit = 2;
    k->panel = TILE_COLS;
    k->product = product_c;
    k->pack = pack_c;
    k->operand = operand_c;
    k->spin = spin_c;
#if defined(__x86_64__)
    kern_x86_bf16(k, k->level->features);
#endif
}

bool kern_has_bf16(const struct kern *k)
{
    return k->level->features & CPU_X86_BF16;
}
