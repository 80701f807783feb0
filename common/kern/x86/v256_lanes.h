/* v256_lanes.h - ternary weights and float activations of WIDTH tokens at once, a lane a token: a
 * signed sum of three activations is then a vector in a table, and what a group of columns adds to
 * a row of weights is the one that its index points to. Nothing is shuffled, and an index is read
 * once for all tokens.
 *
 * Not a header in the usual sense: for avx2_exact.c, which includes vector_planes.h before it. The
 * packed indices are those; the sign is looked for in the bit of MAGNITUDES. */

enum {
    LANES_TABLES = 24, /* of 1 KB each, in the first-level cache */
    LANES_ROWS = 512,  /* of weights, whose sums are kept from tables to tables */
    LANES_LEAST = 5    /* tokens: fewer are as fast one by one */
};

/* By index: the magnitudes, then the same negated. */
struct lanes_table {
    vec sum[2 * MAGNITUDES];
};

/* Columns [first, first + count) of `tokens` rows of x, a lane a row; zero beyond x. Writes whole
 * WIDTHs of them. */
static void gather_columns(const float *x, size_t x_stride, size_t tokens, size_t cols,
                           size_t first, size_t count, vec *out)
{
    for (size_t c = 0; c < count; c += WIDTH, first += WIDTH, out += WIDTH) {
        vmask have = v_mask(first < cols ? MIN(cols - first, (size_t)WIDTH) : 0);
        for (size_t i = 0; i < WIDTH; i++)
            out[i] = i < tokens ? v_load_mask(x + i * x_stride + first, have) : v_set(0.0f);
        v_transpose_floats(out);
    }
}

/* (d0 x0 + d1 x1) + d2 x2 with the digits of tern_digits. What a digit of 0 stands before is left
 * out: it could only change the sign of a zero. */
INLINE void signed_sums(const vec x[GROUP], vec sum[MAGNITUDES])
{
    const vec plus = v_add(x[0], x[1]);
    const vec minus = v_sub(x[0], x[1]);
    const vec sums[MAGNITUDES] = {
        v_set(0.0f),        x[2],  v_sub(x[1], x[2]),  x[1],        v_add(x[1], x[2]), //
        v_sub(minus, x[2]), minus, v_add(minus, x[2]),                                 //
        v_sub(x[0], x[2]),  x[0],  v_add(x[0], x[2]),                                  //
        v_sub(plus, x[2]),  plus,  v_add(plus, x[2]),  v_set(0.0f), v_set(0.0f)};
    for (size_t i = 0; i < MAGNITUDES; i++)
        sum[i] = sums[i];
}

INLINE void fill_table(const vec x[GROUP], vec t[2 * MAGNITUDES])
{
    signed_sums(x, t);
    for (size_t i = 0; i < MAGNITUDES; i++)
        t[MAGNITUDES + i] = _mm256_xor_ps(t[i], v_set(-0.0f));
}

/* Adds n groups to the sums of WIDTH rows whose indices stand side by side. */
INLINE void add_lanes(const uint8_t *indices, size_t n, const struct lanes_table *table, vec *sum)
{
    vec s[WIDTH];
    for (size_t r = 0; r < WIDTH; r++)
        s[r] = sum[r];
    for (size_t g = 0; g < n; g++, indices += TERN_PANEL) {
        uint64_t all;
        memcpy(&all, indices, sizeof all);
        const vec *t = table[g].sum;
#pragma GCC unroll 8
        for (size_t r = 0; r < WIDTH; r++)
            s[r] = v_add(s[r], t[all >> 8 * r & (2 * MAGNITUDES - 1)]);
    }
    for (size_t r = 0; r < WIDTH; r++)
        sum[r] = s[r];
}

/* Sums of a panel, in places (place_of), times alpha to y. */
static void write_lanes(const vec *sum, float alpha, size_t rows, size_t tokens, float *y,
                        size_t y_stride)
{
    vec at[TERN_VECS][WIDTH]; /* [8 places][token] */
    for (size_t k = 0; k < TERN_VECS; k++) {
        for (size_t r = 0; r < WIDTH; r++)
            at[k][r] = v_mul(sum[k * WIDTH + r], v_set(alpha));
        v_transpose_floats(at[k]);
    }
    for (size_t i = 0; i < tokens; i++, y += y_stride)
        for (size_t j = 0; j < TERN_VECS && j * WIDTH < rows; j++) { /* the inverse of place_of */
            vec low = at[j / 2][i];
            vec high = at[j / 2 + 2][i];
            vec v = j % 2 ? _mm256_permute2f128_ps(low, high, 0x31)
                          : _mm256_permute2f128_ps(low, high, 0x20);
            store_up_to(y + j * WIDTH, v, rows - j * WIDTH);
        }
}

/* Up to LANES_ROWS rows for up to WIDTH tokens. */
static void tern_lanes(const uint8_t *indices, size_t rows, size_t cols, float alpha, size_t tokens,
                       const float *x, size_t x_stride, float *y, size_t y_stride)
{
    _Alignas(64) struct lanes_table tables[LANES_TABLES];
    vec columns[ALIGN_UP(GROUP * LANES_TABLES, WIDTH)];
    vec sums[LANES_ROWS];
    const size_t groups = DIV_UP(cols, (size_t)GROUP);
    const size_t panel_bytes = groups * TERN_PANEL;
    const size_t n_places = ALIGN_UP(rows, (size_t)TERN_PANEL);
    for (size_t r = 0; r < n_places; r++)
        sums[r] = v_set(0.0f);
    for (size_t g = 0; g < groups; g += LANES_TABLES) {
        size_t n = MIN(groups - g, (size_t)LANES_TABLES);
        gather_columns(x, x_stride, tokens, cols, g * GROUP, n * GROUP, columns);
        for (size_t i = 0; i < n; i++)
            fill_table(columns + i * GROUP, tables[i].sum);
        const uint8_t *panel = indices + g * TERN_PANEL;
        for (size_t r = 0; r < n_places; r += TERN_PANEL, panel += panel_bytes) {
            for (size_t at = 0; at < n * TERN_PANEL; at += 64) /* too short for a prefetcher */
                __builtin_prefetch(panel + panel_bytes + at);
            for (size_t k = 0; k < TERN_PANEL; k += WIDTH)
                add_lanes(panel + k, n, tables, sums + r + k);
        }
    }
    for (size_t r = 0; r < rows; r += TERN_PANEL)
        write_lanes(sums + r, alpha, rows - r, tokens, y + r, y_stride);
}

static void tern_many(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                      const float *x, size_t x_stride, float *y, size_t y_stride)
{
    const size_t groups = DIV_UP(cols, (size_t)GROUP);
    size_t n;
    for (; m >= LANES_LEAST; m -= n, x += n * x_stride, y += n * y_stride) {
        n = MIN(m, (size_t)WIDTH);
        for (size_t r = 0; r < rows; r += LANES_ROWS)
            tern_lanes((const uint8_t *)packed + r * groups, MIN(rows - r, (size_t)LANES_ROWS),
                       cols, alpha, n, x, x_stride, y + r, y_stride);
    }
    if (m > 0)
        tern(packed, rows, cols, alpha, m, x, x_stride, y, y_stride);
}
