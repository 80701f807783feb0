/* check_product.c - dense and ternary products, and their operands in cells.
 *
 * A product of given sizes is computed once plainly and compared with double precision; then in
 * every other way its contract allows (transposed or spread A, packed or spread B, wide C, in
 * traps, in groups of rows and of panels), which must give the same bits. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

enum {
    MAX_M = 13,
    TALL_M = 200,
    MAX_N = 300,
    MAX_K = 513,
    MAX_PANEL = 64,
    MAX_UNIT = 2,
    SPREAD = 5,
    FAR = 300
};

struct product {
    struct kcheck *t;
    size_t m, n, k; /* k in cells */
    bool add;
    float a[TALL_M * MAX_K * MAX_UNIT]; /* [m][k * unit] numbers */
    float b[MAX_K * MAX_UNIT * MAX_N];  /* [k * unit][n] */
    uint32_t a_cells[TALL_M * MAX_K];   /* [m][k] */
    uint32_t b_cells[MAX_K * MAX_N];    /* [k][n] */
    float c0[TALL_M * MAX_N];
    float c[TALL_M * MAX_N]; /* what all ways must give */
};

/* One way to lay out the operands. */
struct layout {
    int a; /* 0 plain, 1 rows spread, 2 transposed, 3 transposed and spread */
    int b; /* 0 plain, 1 rows spread, 2 packed */
    int c; /* 0 plain, 1 rows spread */
};

static float largest_of(const struct product *p)
{
    return p->t->data == KCHECK_LARGE ? 1e17f : 1e12f; /* 513 products of them fit a float */
}

/* ---- cells, as kern.h describes them --------------------------------------------------------- */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The upper half of a float, rounded to nearest, ties to even; NaN stays one, and becomes quiet. */
static uint32_t bf16_of(float x)
{
    uint32_t bits = bits_of(x);
    uint32_t half = bits >> 16;
    uint32_t rest = bits & 0xffff;
    if (bits << 1 > 0xff000000)
        return half | 0x40;
    return rest > 0x8000 || (rest == 0x8000 && half & 1) ? half + 1 : half;
}

static uint32_t cell_of(size_t unit, float first, float second)
{
    return unit == 1 ? bits_of(first) : bf16_of(first) | bf16_of(second) << 16;
}

/* Numbers that a cell holds exactly. */
static void fill_exact(struct kcheck *t, float *x, size_t n, float limit)
{
    kcheck_fill(t, x, n, limit);
    for (size_t i = 0; t->kern->unit == 2 && i < n; i++) {
        uint32_t bits = bf16_of(x[i]) << 16;
        memcpy(&x[i], &bits, sizeof bits);
    }
}

static void prepare(struct product *p)
{
    size_t unit = p->t->kern->unit;
    size_t K = p->k * unit;
    fill_exact(p->t, p->a, p->m * K, largest_of(p));
    fill_exact(p->t, p->b, K * p->n, largest_of(p));
    kcheck_fill(p->t, p->c0, p->m * p->n, largest_of(p));
    for (size_t i = 0; i < p->m * p->k; i++)
        p->a_cells[i] = cell_of(unit, p->a[i * unit], p->a[i * unit + unit - 1]);
    for (size_t q = 0; q < p->k; q++)
        for (size_t j = 0; j < p->n; j++)
            p->b_cells[q * p->n + j] =
                cell_of(unit, p->b[q * unit * p->n + j], p->b[(q * unit + unit - 1) * p->n + j]);
}

/* ---- the product ----------------------------------------------------------------------------- */

static void compare_with_double(const struct product *p)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = p->add ? (double)p->c0[i * p->n + j] : 0;
            double magnitude = fabs(sum);
            size_t K = p->k * p->t->kern->unit;
            for (size_t q = 0; q < K; q++) {
                double term = (double)p->a[i * K + q] * (double)p->b[q * p->n + j];
                sum += term;
                magnitude += fabs(term);
            }
            double bound = (double)(K + 1) * (ROUNDING * magnitude + (double)FLT_MIN);
            if (p->t->data == KCHECK_WHOLE)
                bound = 0;
            kcheck_near(p->t, "C", i * p->n + j, (double)p->c[i * p->n + j], sum, bound);
        }
}

/* The plain way, in plain memory. */
static void compute_once(struct product *p)
{
    if (p->add)
        memcpy(p->c, p->c0, p->m * p->n * sizeof(float));
    else
        for (size_t i = 0; i < p->m * p->n; i++)
            p->c[i] = NAN;
    kcheck_flush(p->t->flush);
    p->t->kern->product(p->m, p->n, p->k, p->a_cells, p->k, 1,
                        (struct kern_b){p->b_cells, p->n, false}, p->c, p->n, p->add);
    compare_with_double(p);
    kcheck_flush(false);
}

static uint32_t *place_a(const struct product *p, int how, size_t *row, size_t *col)
{
    bool transposed = how >= 2;
    *row = transposed ? 1 : p->k + (how == 1 ? SPREAD : 0);
    *col = transposed ? p->m + (how == 3 ? FAR : 0) : 1; /* so far that it is gathered first */
    size_t n = (p->m - 1) * *row + (p->k - 1) * *col + 1;
    uint32_t *a = buffers_input(n * sizeof *a);
    memset(a, 0xFF, n * sizeof *a); /* NaN wherever nothing may be read */
    for (size_t i = 0; i < p->m; i++)
        for (size_t q = 0; q < p->k; q++)
            a[i * *row + q * *col] = p->a_cells[i * p->k + q];
    return a;
}

/* Packed by this checker, not by kern->pack, which has a check of its own. */
static struct kern_b place_b(const struct product *p, int how)
{
    size_t panel = p->t->kern->panel;
    struct kern_b b = {.stride = how == 2 ? 0 : p->n + (how == 1 ? SPREAD : 0),
                       .far = rng_below(&p->t->rng, 2)};
    size_t n = b.stride ? (p->k - 1) * b.stride + p->n : DIV_UP(p->n, panel) * panel * p->k;
    uint32_t *data = buffers_input(n * sizeof *data);
    memset(data, b.stride ? 0xFF : 0, n * sizeof *data);
    for (size_t q = 0; q < p->k; q++)
        for (size_t j = 0; j < p->n; j++) {
            size_t packed = (j / panel * p->k + q) * panel + j % panel;
            data[b.stride ? q * b.stride + j : packed] = p->b_cells[q * p->n + j];
        }
    b.cells = data;
    return b;
}

static float *place_c(const struct product *p, int how, size_t *stride)
{
    *stride = p->n + (how ? SPREAD : 0);
    size_t n = (p->m - 1) * *stride + p->n;
    float *c = buffers_output(n * sizeof *c);
    memset(c, 0xFF, n * sizeof *c);
    for (size_t i = 0; p->add && i < p->m; i++)
        memcpy(c + i * *stride, p->c0 + i * p->n, p->n * sizeof *c);
    return c;
}

static void compare_bits(const struct product *p, const float *c, size_t stride)
{
    for (size_t i = 0; i < p->m; i++) {
        const unsigned char *gap = (const unsigned char *)(c + i * stride + p->n);
        kcheck_same(p->t, "a row of C", c + i * stride, p->c + i * p->n, p->n * sizeof *c);
        for (size_t j = 0; i + 1 < p->m && j < (stride - p->n) * sizeof *c; j++)
            if (gap[j] != 0xFF)
                kcheck_fail(p->t, "bytes between two rows of C were written");
    }
    kcheck_untouched(p->t);
}

/* In one call, or `grouped` in random groups of rows, each in two parts at a panel's edge. */
static void compute_in(const struct product *p, struct layout how, enum buffers_place place,
                       bool grouped)
{
    size_t a_row;
    size_t a_col;
    size_t stride;
    kcheck_case(p->t, "m %zu n %zu k %zu%s, data %d, layout a%d b%d c%d, place %d%s%s", p->m, p->n,
                p->k, p->add ? " added" : "", (int)p->t->data, how.a, how.b, how.c, (int)place,
                grouped ? ", grouped" : "", p->t->flush ? ", denormals flushed" : "");
    buffers_reset(place);
    const uint32_t *a = place_a(p, how.a, &a_row, &a_col);
    struct kern_b b = place_b(p, how.b);
    float *c = place_c(p, how.c, &stride);
    const struct kern *kern = p->t->kern;
    size_t split = grouped ? rng_below(&p->t->rng, DIV_UP(p->n, kern->panel)) * kern->panel : 0;
    kcheck_seal(p->t);
    for (size_t first = 0, count; first < p->m; first += count) {
        size_t left = p->m - first;
        count = grouped ? 1 + rng_below(&p->t->rng, left) : left;
        const uint32_t *at = a + first * a_row;
        float *ct = c + first * stride;
        struct kern_b rest = {(const uint32_t *)b.cells + (b.stride ? split : split * p->k),
                              b.stride, b.far};
        if (split)
            kern->product(count, split, p->k, at, a_row, a_col, b, ct, stride, p->add);
        kern->product(count, p->n - split, p->k, at, a_row, a_col, rest, ct + split, stride,
                      p->add);
    }
    kcheck_flush(false);
    compare_bits(p, c, stride);
}

/* Every way at once, for a few sizes around the edges of tiles. */
static void all_ways(struct product *p)
{
    size_t panel = p->t->kern->panel;
    const size_t ms[] = {1, 4, 6, 7, 13};
    const size_t ns[] = {1, panel - 1, panel, panel + 1, 2 * panel + 3};
    const size_t ks[] = {1, 255, 256, 257, 513};
    for (size_t s = 0; s < ARRAY_LEN(ms) * ARRAY_LEN(ns) * ARRAY_LEN(ks); s++) {
        if (kcheck_skips(p->t))
            continue;
        p->m = ms[s % 5];
        p->n = ns[s / 5 % 5];
        p->k = ks[s / 25];
        p->add = s % 2;
        p->t->data = KCHECK_RANDOM;
        p->t->flush = s / 2 % 2;
        prepare(p);
        kcheck_case(p->t, "m %zu n %zu k %zu, plain", p->m, p->n, p->k);
        compute_once(p);
        for (int way = 0; way < 4 * 3 * 2; way++)
            for (int place = 0; place < BUFFERS_N_PLACES; place++)
                compute_in(p, (struct layout){way / 6, way % 3, way / 3 % 2},
                           (enum buffers_place)place, false);
        compute_in(p, (struct layout){0, 0, 0}, BUFFERS_UNALIGNED, true);
        compute_in(p, (struct layout){2, 2, 1}, BUFFERS_UNALIGNED, true);
    }
}

/* Every size, in a few ways. */
static void all_sizes(struct product *p)
{
    static const size_t ks[] = {1, 2, 3, 7, 16, 64, 192, 255, 256, 257, 513};
    struct rng *r = &p->t->rng;
    for (p->m = 1; p->m <= MAX_M; p->m++)
        for (size_t s = 0; s < kcheck_n_sizes; s++)
            for (size_t d = 0; d < ARRAY_LEN(ks); d++) {
                if (kcheck_skips(p->t))
                    continue;
                p->n = MIN(kcheck_sizes[s], (size_t)MAX_N);
                p->k = ks[d];
                p->add = rng_below(r, 2);
                p->t->data = (enum kcheck_data)rng_below(r, KCHECK_N_DATA);
                p->t->flush = rng_below(r, 2);
                prepare(p);
                kcheck_case(p->t, "m %zu n %zu k %zu%s, data %d, plain", p->m, p->n, p->k,
                            p->add ? " added" : "", (int)p->t->data);
                compute_once(p);
                struct layout how = {(int)rng_below(r, 4), (int)rng_below(r, 3),
                                     (int)rng_below(r, 2)};
                enum buffers_place place = (enum buffers_place)rng_below(r, BUFFERS_N_PLACES);
                compute_in(p, how, place, rng_below(r, 2));
            }
}

/* Of many rows, as weight gradients have them: a transposed A is gathered in blocks of rows. */
static void many_rows(struct product *p)
{
    const size_t ms[] = {96, 97, TALL_M - 1, TALL_M};
    for (size_t i = 0; i < ARRAY_LEN(ms); i++) {
        p->m = ms[i];
        p->n = i % 2 ? p->t->kern->panel + 1 : 3;
        p->k = 257;
        p->add = i / 2 % 2;
        p->t->data = KCHECK_RANDOM;
        p->t->flush = i % 2;
        prepare(p);
        kcheck_case(p->t, "m %zu n %zu k %zu, plain", p->m, p->n, p->k);
        compute_once(p);
        for (int a = 0; a < 4; a++)
            compute_in(p, (struct layout){a, a % 3, a % 2}, (enum buffers_place)(a % 3), false);
    }
}

void kcheck_product(struct kcheck *t)
{
    static struct product p;
    p.t = t;
    if (t->kern->panel > MAX_PANEL || (t->kern->panel & (t->kern->panel - 1))) {
        kcheck_case(t, "table");
        kcheck_fail(t, "panel is %zu, expected a power of two up to %d", t->kern->panel, MAX_PANEL);
        return;
    }
    all_ways(&p);
    all_sizes(&p);
    many_rows(&p);
}

/* ---- packing and operands -------------------------------------------------------------------- */

static uint32_t *output_cells(size_t n)
{
    uint32_t *cells = buffers_output(n * sizeof *cells);
    memset(cells, 0xFF, n * sizeof *cells);
    return cells;
}

/* Floats to be rounded: a quarter of them halfway between two bf16 numbers, some not finite. */
static float *input_with_ties(struct kcheck *t, size_t n)
{
    static const uint32_t special[] = {
        0x7f800000, 0xff800000,                                     /* infinity */
        0x7f7fffff, 0xff7f8000,                                     /* rounded to it */
        0x7fc00000, 0xffffffff, 0x7fffffff, 0x7f800001, 0xff808000, /* NaN */
    };
    float *x = kcheck_input(t, n, 1e30f);
    for (size_t i = 0; i < n; i++) {
        uint64_t kind = rng_below(&t->rng, 64);
        uint32_t bits = (bits_of(x[i]) & 0xffff0000) | 0x8000;
        if (kind == 0)
            bits = special[rng_below(&t->rng, ARRAY_LEN(special))];
        if (kind < 16)
            memcpy(&x[i], &bits, sizeof bits);
    }
    return x;
}

static void untouched_cells(struct kcheck *t, const uint32_t *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cells[i] != 0xFFFFFFFF)
            kcheck_fail(t, "cell %zu of a panel before the first was written", i);
}

/* Packs in one call, then panel by panel from the last to the first: exact, nothing else written.
 */
static void pack_one(struct kcheck *t, size_t n_out, size_t n_in)
{
    size_t panel = t->kern->panel;
    size_t unit = t->kern->unit;
    size_t k = DIV_UP(n_in, unit);
    size_t n_panels = DIV_UP(n_out, panel);
    size_t n = kern_packed_cells(t->kern, k, n_out);
    const float *w = input_with_ties(t, n_out * n_in);
    uint32_t *out = output_cells(n);
    uint32_t *parts = output_cells(n);
    uint32_t *want = output_cells(n);
    for (size_t j = 0; j < n_panels * panel; j++)
        for (size_t q = 0; q < k; q++) {
            const float *at = w + j * n_in + q * unit;
            bool second = q * unit + unit - 1 < n_in;
            want[(j / panel * k + q) * panel + j % panel] =
                j < n_out ? cell_of(unit, at[0], second ? at[unit - 1] : 0) : 0;
        }
    kcheck_seal(t);
    t->kern->pack(w, n_out, n_in, 0, n_out, out);
    kcheck_same(t, "packed", out, want, n * sizeof *out);
    for (size_t j = n_panels; j-- > 0;) {
        size_t first = j * panel;
        t->kern->pack(w, n_out, n_in, first, MIN(panel, n_out - first), parts);
        kcheck_same(t, "panel", parts + first * k, want + first * k, panel * k * sizeof *out);
        untouched_cells(t, parts, first * k);
    }
    kcheck_same(t, "packed in parts", parts, want, n * sizeof *out);
}

/* Both forms, together and alone. */
static void operand_one(struct kcheck *t, size_t rows, size_t cols)
{
    size_t width = DIV_UP(cols, 2);
    size_t height = DIV_UP(rows, 2);
    const float *x = input_with_ties(t, rows * cols);
    uint32_t *by_rows = output_cells(rows * width);
    uint32_t *by_columns = output_cells(height * cols);
    uint32_t *rows_alone = output_cells(rows * width);
    uint32_t *columns_alone = output_cells(height * cols);
    uint32_t *want_rows = output_cells(rows * width);
    uint32_t *want_columns = output_cells(height * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            const float *at = x + r * cols + c;
            if (c % 2 == 0)
                want_rows[r * width + c / 2] = cell_of(2, at[0], c + 1 < cols ? at[1] : 0);
            if (r % 2 == 0)
                want_columns[r / 2 * cols + c] = cell_of(2, at[0], r + 1 < rows ? at[cols] : 0);
        }
    kcheck_seal(t);
    t->kern->operand(x, rows, cols, by_rows, by_columns);
    t->kern->operand(x, rows, cols, rows_alone, NULL);
    t->kern->operand(x, rows, cols, NULL, columns_alone);
    kcheck_same(t, "by rows", by_rows, want_rows, rows * width * sizeof *x);
    kcheck_same(t, "by columns", by_columns, want_columns, height * cols * sizeof *x);
    kcheck_same(t, "by rows alone", rows_alone, want_rows, rows * width * sizeof *x);
    kcheck_same(t, "by columns alone", columns_alone, want_columns, height * cols * sizeof *x);
}

static void each_matrix(struct kcheck *t, void (*one)(struct kcheck *t, size_t rows, size_t cols))
{
    static const size_t widths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 192, 513};
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (size_t i = 0; i < ARRAY_LEN(widths); i++)
            for (int place = 0; place < BUFFERS_N_PLACES; place++) {
                size_t rows = kcheck_sizes[s];
                t->data = (s + i) % 2 ? KCHECK_RANDOM : KCHECK_MIXED;
                t->flush = (s + i) / 2 % 2;
                kcheck_case(t, "%zu rows of %zu, place %d", rows, widths[i], place);
                buffers_reset((enum buffers_place)place);
                one(t, rows, widths[i]);
                kcheck_untouched(t);
                kcheck_flush(false);
            }
}

void kcheck_pack(struct kcheck *t)
{
    each_matrix(t, pack_one);
}

void kcheck_operand(struct kcheck *t)
{
    each_matrix(t, operand_one);
}
