/* vector_rows.h - float_rows by transposing: WIDTH columns of as many rows become vectors, to which
 * the lanes of a sum, one a row, are added in order.
 *
 * Not a header in the usual sense: for avx2_exact.c and avx512_exact.c, which include
 * vector_exact.h before it. */

enum {
    TURNED_VECS = 16 / WIDTH, /* sums, which hide the latency of an addition from each other */
    TURNED_ROWS = TURNED_VECS * WIDTH
};

/* Adds `count` columns, at most WIDTH, that begin at the rows' pointers. */
INLINE void add_turned(const enum number_type type, const unsigned char *const row[TURNED_ROWS],
                       size_t offset, size_t count, const float *x, vec sum[TURNED_VECS])
{
#pragma GCC unroll 2
    for (size_t g = 0; g < TURNED_VECS; g++) {
        vec t[WIDTH];
#pragma GCC unroll 16
        for (size_t r = 0; r < WIDTH; r++) {
            _Alignas(64) unsigned char last[WIDTH * sizeof(float)];
            const unsigned char *at = row[g * WIDTH + r] + offset;
            if (count < WIDTH) { /* nothing beyond the end may be read */
                memset(last, 0, sizeof last);
                memcpy(last, at, count * number_bytes(type));
                at = last;
            }
            t[r] = type == NUMBER_F32   ? v_load((const float *)(const void *)at)
                   : type == NUMBER_F16 ? v_load_f16((const uint16_t *)(const void *)at)
                                        : v_load_q8((const int8_t *)at);
        }
        v_transpose_floats(t);
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++)
            if (i < count)
                sum[g] = v_add(sum[g], v_mul(t[i], v_set(x[i])));
    }
}

INLINE void turned_typed(const enum number_type type, const unsigned char *w, const float *w_scale,
                         size_t cols, const uint16_t *ids, size_t n, const float *x, float *y)
{
    for (size_t j = 0; j < n; j += TURNED_ROWS) {
        const unsigned char *row[TURNED_ROWS];
        float out[TURNED_ROWS];
        vec sum[TURNED_VECS];
        size_t have = MIN(n - j, (size_t)TURNED_ROWS); /* after them, the last one again */
        size_t c = 0;
        for (size_t r = 0; r < TURNED_ROWS; r++)
            row[r] = w + ids[j + MIN(r, have - 1)] * cols * number_bytes(type);
        for (size_t g = 0; g < TURNED_VECS; g++)
            sum[g] = v_set(0.0f);
        for (; c + WIDTH <= cols; c += WIDTH)
            add_turned(type, row, c * number_bytes(type), WIDTH, x + c, sum);
        if (c < cols)
            add_turned(type, row, c * number_bytes(type), cols - c, x + c, sum);
        for (size_t g = 0; g < TURNED_VECS; g++)
            v_store(out + g * WIDTH, sum[g]);
        for (size_t r = 0; r < have; r++)
            y[j + r] = type == NUMBER_Q8 ? out[r] * w_scale[ids[j + r]] : out[r];
    }
}

static void turned_rows(enum number_type type, const void *w, const float *w_scale, size_t cols,
                        const uint16_t *ids, size_t n, const float *x, float *y)
{
    BY_TYPE(turned_typed, type, w, w_scale, cols, ids, n, x, y);
}
