/* v256_lanes_int8.h - ternary weights and int8 activations of 16 tokens at once, a lane of 16 bits
 * a token: a signed sum of the four activations of a step is then a vector in a table of all 81,
 * and what a step adds to a row of weights is the one that its four codes, digits of base 3, point
 * to. One addition stands for 64 products, and nothing is shuffled.
 *
 * The tables of a group of columns stand in the first-level cache while all rows of weights pass,
 * whose sums wait in memory. They are 16 bits wide over LANES_COLS columns; then they go to y,
 * where whole numbers below 2^23 add up as floats without rounding.
 *
 * Not a header in the usual sense: for avx2_int8.c, which includes vector_int8.h before it. */

enum {
    LANES = 16,
    LANES_VECS = 2, /* of tokens at most, for which the codes are read once */
    LANES_TABLES = GROUP_COLS / STEP,
    LANES_SUMS = 81,  /* of a table */
    LANES_COLS = 256, /* whose activations, at most 127 each, add up to 16 bits */
    LANES_ROWS = 512, /* of weights, whose sums are kept */
    VEC_SHIFT = 5     /* log2 of sizeof(ivec) */
};

/* GROUP_COLS columns of n_vecs * LANES rows of q, a lane a row. */
INLINE void gather_columns(const int8_t *q, size_t q_stride, size_t n_vecs,
                           ivec out[LANES_VECS][GROUP_COLS])
{
    ivec v[LANES];
    for (size_t i = 0; i < LANES; i++, q += q_stride) {
        const int8_t *other = n_vecs == LANES_VECS ? q + LANES * q_stride : q;
        v[i] = _mm256_set_m128i(_mm_loadu_si128((const __m128i *)other),
                                _mm_loadu_si128((const __m128i *)q));
    }
    v_transpose_bytes(v);
    for (size_t c = 0; c < GROUP_COLS; c++) {
        out[0][c] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(v[c]));
        out[1][c] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(v[c], 1));
    }
}

/* a x + b y for all a and b of -1, 0 and 1. */
INLINE void sums_of_two(ivec x, ivec y, ivec out[9])
{
    const ivec zero = _mm256_setzero_si256();
    const ivec plus = _mm256_add_epi16(x, y);
    const ivec minus = _mm256_sub_epi16(x, y);
    const ivec less_x = _mm256_sub_epi16(zero, x);
    const ivec less_y = _mm256_sub_epi16(zero, y);
    const ivec sums[9] = {_mm256_sub_epi16(less_x, y),
                          less_x,
                          _mm256_sub_epi16(y, x), //
                          less_y,
                          zero,
                          y, //
                          minus,
                          x,
                          plus};
#pragma GCC unroll 9
    for (size_t i = 0; i < 9; i++)
        out[i] = sums[i];
}

INLINE void fill_tables(const ivec columns[GROUP_COLS], ivec *table)
{
    for (size_t c = 0; c < GROUP_COLS; c += STEP, table += LANES_SUMS) {
        ivec high[9];
        ivec low[9];
        sums_of_two(columns[c], columns[c + 1], high);
        sums_of_two(columns[c + 2], columns[c + 3], low);
#pragma GCC unroll 9
        for (size_t i = 0; i < 9; i++)
#pragma GCC unroll 9
            for (size_t j = 0; j < 9; j++)
                table[9 * i + j] = _mm256_add_epi16(high[i], low[j]);
    }
}

/* Of a step, the two digits of columns 0 and 1 in a word, and those of 2 and 3 in the next: 0..8,
 * for quarter j in the lowest four bits, for j + 2 in the next four. */
INLINE ivec pairs_of_digits(const uint8_t *w, int j)
{
    ivec codes = _mm256_srli_epi16(_mm256_load_si256((const ivec *)w), 2 * j);
    return _mm256_maddubs_epi16(_mm256_and_si256(codes, _mm256_set1_epi8(0x33)),
                                _mm256_set1_epi16(3 | 1 << 8));
}

/* Of each row of a panel, where its sums stand in the four tables: 16 bits each, in bytes. */
INLINE void find_sums(const uint8_t *w, uint64_t place[PANEL])
{
    const ivec half_bytes = _mm256_set1_epi8(0x0f);
    const ivec join = _mm256_set1_epi32(9 | 1 << 16); /* two pairs */
    ivec index[2][QUARTERS];                          /* of two steps in a lane, a byte each */
#pragma GCC unroll 2
    for (size_t t = 0; t < 2; t++)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            ivec first = pairs_of_digits(w + 2 * t * sizeof(ivec), j);
            ivec second = pairs_of_digits(w + (2 * t + 1) * sizeof(ivec), j);
            ivec both = _mm256_or_si256(first, _mm256_slli_epi16(second, 8));
            ivec low = _mm256_and_si256(both, half_bytes);
            ivec high = _mm256_and_si256(_mm256_srli_epi16(both, 4), half_bytes);
            index[t][j] = _mm256_madd_epi16(low, join);
            index[t][j + 2] = _mm256_madd_epi16(high, join);
        }
#pragma GCC unroll 4
    for (size_t j = 0; j < QUARTERS; j++, place += WIDTH) {
        ivec all = _mm256_or_si256(index[0][j], _mm256_slli_epi32(index[1][j], 16));
        ivec low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(all));
        ivec high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(all, 1));
        _mm256_storeu_si256((ivec *)place, _mm256_slli_epi16(low, VEC_SHIFT));
        _mm256_storeu_si256((ivec *)(place + WIDTH / 2), _mm256_slli_epi16(high, VEC_SHIFT));
    }
}

INLINE ivec sum_at(const ivec *table, uint64_t place)
{
    return *(const ivec *)((const uint8_t *)table + (place & 0xffff));
}

INLINE void add_rows(const uint64_t *place, size_t rows, const ivec *table, ivec *sum)
{
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        uint64_t all = place[r];
        ivec s = _mm256_add_epi16(sum[r], sum_at(table, all));
        s = _mm256_add_epi16(s, sum_at(table + LANES_SUMS, all >> 16));
        s = _mm256_add_epi16(s, sum_at(table + 2 * LANES_SUMS, all >> 32));
        sum[r] = _mm256_add_epi16(s, sum_at(table + 3 * LANES_SUMS, all >> 48));
    }
}

/* What becomes of the sums of LANES_COLS columns. */
struct lanes_out {
    bool first; /* columns */
    bool last;
    const float *factor; /* of each token, for the last */
    float *y;
    size_t y_stride;
};

/* WIDTH sums of token i, or the first n. */
INLINE void put_sums(const struct lanes_out *o, size_t i, size_t r, size_t n, __m128i sums)
{
    float *y = o->y + i * o->y_stride + r;
    vec v = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(sums));
    if (!o->first)
        v = v_add(v, load_some(y, n));
    if (o->last)
        v = v_mul(v, v_set(o->factor[i]));
    if (n >= WIDTH)
        v_store(y, v);
    else
        v_store_mask(y, v, v_mask(n));
}

/* WIDTH rows of LANES sums become columns: those of token i in the low half of v[i], those of token
 * i + WIDTH in the high one. */
INLINE void turn_sums(const ivec *sum, ivec v[WIDTH])
{
    for (size_t i = 0; i < WIDTH; i++)
        v[i] = sum[i];
#pragma GCC unroll 3
    for (size_t round = 0; round < 3; round++) {
        ivec t[WIDTH];
#pragma GCC unroll 4
        for (size_t i = 0; i < WIDTH / 2; i++) {
            t[2 * i] = _mm256_unpacklo_epi16(v[i], v[i + WIDTH / 2]);
            t[2 * i + 1] = _mm256_unpackhi_epi16(v[i], v[i + WIDTH / 2]);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < WIDTH; i++)
            v[i] = t[i];
    }
}

/* Of LANES tokens, `first` being the first. */
static void put_lanes(const ivec *sum, size_t rows, size_t first, const struct lanes_out *o)
{
    for (size_t r = 0; r < rows; r += WIDTH) {
        ivec v[WIDTH];
        turn_sums(sum + r, v);
        for (size_t i = 0; i < WIDTH; i++) {
            put_sums(o, first + i, r, rows - r, _mm256_castsi256_si128(v[i]));
            put_sums(o, first + i + WIDTH, r, rows - r, _mm256_extracti128_si256(v[i], 1));
        }
    }
}

/* Up to LANES_ROWS rows for n_vecs * LANES tokens. */
static void tern_lanes(const uint8_t *packed, size_t rows, size_t cols, size_t n_vecs,
                       const int8_t *q, size_t q_stride, struct lanes_out o)
{
    _Alignas(64) ivec table[LANES_TABLES * LANES_SUMS];
    ivec columns[LANES_VECS][GROUP_COLS];
    ivec sum[LANES_VECS][LANES_ROWS];
    uint64_t place[LANES_ROWS];
    const size_t panel_bytes = n_steps(cols) * sizeof(ivec);
    const size_t n_rows = ALIGN_UP(rows, (size_t)PANEL);
    for (size_t c = 0; c < cols;) {
        const size_t end = MIN(cols, c + LANES_COLS);
        o.first = c == 0;
        o.last = end == cols;
        for (size_t k = 0; k < n_vecs; k++)
            memset(sum[k], 0, n_rows * sizeof *sum[k]);
        for (; c < end; c += GROUP_COLS) {
            const uint8_t *w = packed + c / STEP * sizeof(ivec);
            for (size_t r = 0; r < rows; r += PANEL, w += panel_bytes)
                find_sums(w, place + r);
            gather_columns(q + c, q_stride, n_vecs, columns);
            for (size_t k = 0; k < n_vecs; k++) {
                fill_tables(columns[k], table);
                add_rows(place, n_rows, table, sum[k]);
            }
        }
        for (size_t k = 0; k < n_vecs; k++)
            put_lanes(sum[k], rows, k * LANES, &o);
    }
}

/* Whole vectors of tokens so, what is left as few tokens are. */
static void tern_many(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                      const int8_t *q, size_t q_stride, const struct kern_int8_row *row, float *y,
                      size_t y_stride)
{
    float factor[LANES_VECS * LANES];
    for (size_t n; m >= LANES; m -= n, q += n * q_stride, row += n, y += n * y_stride) {
        size_t n_vecs = MIN(m / LANES, (size_t)LANES_VECS);
        n = n_vecs * LANES;
        for (size_t i = 0; i < n; i++)
            factor[i] = alpha * row[i].scale;
        for (size_t r = 0; r < rows; r += LANES_ROWS) {
            struct lanes_out o = {.factor = factor, .y = y + r, .y_stride = y_stride};
            tern_lanes((const uint8_t *)packed + op_tern_bytes(r, cols),
                       MIN(rows - r, (size_t)LANES_ROWS), cols, n_vecs, q, q_stride, o);
        }
    }
    if (m > 0)
        op_tern(packed, rows, cols, alpha, m, q, q_stride, row, y, y_stride);
}
