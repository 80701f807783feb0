/* check_int8.c - products of inference with activations rounded to int8.
 *
 * All are exact: sums are computed here in 64 bits and results compared bit by bit. What a packed
 * operand looks like is each level's own affair; a product with unit vectors reads it back. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

enum {
    MAX_ROWS = 200,
    MAX_M = 70,        /* more than twice the rows that go through the weights at a time */
    LONG_TERN = 32768, /* columns, the most that the contract's bound on sums allows for */
    LONG_HEAD = 8192,
    LONG_ROWS = 70,
    MAX_WEIGHTS = LONG_ROWS * LONG_TERN,
    FILLER = 0x55
};

/* ---- rounding -------------------------------------------------------------------------------- */

/* An operand of bytes that begins at any address where the place allows for it. */
static int8_t *output_bytes(struct kcheck *t, size_t n)
{
    size_t odd = rng_below(&t->rng, 4);
    int8_t *q = buffers_output(n + odd);
    memset(q, FILLER, n + odd);
    return q + odd;
}

static struct kern_int8_row round_of(const float *x, size_t n, int8_t *q)
{
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite = finite && isfinite(x[i]);
        most = MAX(most, fabsf(x[i]));
    }
    memset(q, 0, ALIGN_UP(n, (size_t)KERN_INT8_ALIGN));
    if (!finite)
        return (struct kern_int8_row){.scale = NAN};
    if (most < 1e-30f)
        return (struct kern_int8_row){.scale = 0};
    struct kern_int8_row row = {.scale = most / 127};
    float factor = 127 / most;
    for (size_t i = 0; i < n; i++) {
        q[i] = (int8_t)rintf(x[i] * factor); /* half to even: the rounding mode of the process */
        row.sum += q[i];
    }
    return row;
}

static void round_checked(struct kcheck *t, const float *x, size_t n)
{
    int8_t want[ALIGN_UP(10000, KERN_INT8_ALIGN)];
    size_t bytes = ALIGN_UP(n, (size_t)KERN_INT8_ALIGN);
    int8_t *q = output_bytes(t, bytes);
    struct kern_int8_row *row = buffers_output(sizeof *row);
    *row = (struct kern_int8_row){1, 1};
    kcheck_seal(t);
    struct kern_int8_row want_row = round_of(x, n, want);
    t->kern->exact.int8_round(x, n, q, row);
    kcheck_same(t, "q", q, want, bytes);
    kcheck_same(t, "sum", &row->sum, &want_row.sum, sizeof row->sum);
    if (isnan(want_row.scale))
        kcheck_all_nan(t, "scale", &row->scale, 1);
    else
        kcheck_same(t, "scale", &row->scale, &want_row.scale, sizeof row->scale);
}

static void round_one(struct kcheck *t, size_t n)
{
    float *x = kcheck_input(t, n, FLT_MAX);
    if (t->data == KCHECK_WHOLE && rng_below(&t->rng, 2)) { /* halves: ties, the factor being 1 */
        for (size_t i = 0; i < n; i++)
            x[i] = (float)rng_below(&t->rng, 254) - 126.5f;
        x[rng_below(&t->rng, n)] = 127;
    }
    round_checked(t, x, n);
}

/* Rows with one special number at any place, the others being smaller: what is not finite, and the
 * limit below which all is zero. */
static void round_special(struct kcheck *t, size_t n)
{
    const float special[] = {NAN,    INFINITY, -INFINITY, nextafterf(1e-30f, 0),
                             1e-30f, -1e-30f,  FLT_MAX,   -FLT_MAX};
    for (size_t k = 0; k < ARRAY_LEN(special); k++)
        for (size_t at = 0; at < n; at += 1 + at / 4) {
            buffers_reset((enum buffers_place)rng_below(&t->rng, BUFFERS_N_PLACES));
            kcheck_case(t, "n %zu, %g at %zu", n, (double)special[k], at);
            t->data = KCHECK_RANDOM;
            t->flush = rng_below(&t->rng, 2);
            float *x = kcheck_input(t, n, 1);
            for (size_t i = 0; i < n; i++)
                x[i] *= 1e-31f;
            x[at] = special[k];
            round_checked(t, x, n);
            kcheck_untouched(t);
            kcheck_flush(false);
        }
}

void kcheck_int8_round(struct kcheck *t)
{
    kcheck_sweep(t, 1, round_one);
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        round_special(t, kcheck_sizes[s]);
}

/* ---- products -------------------------------------------------------------------------------- */

enum pattern {
    RANDOM,
    HIGH,      /* all weights and all q at their largest */
    OPPOSITE,  /* weights at their smallest, q at their largest */
    LOW,       /* both at their smallest */
    ALTERNATE, /* signs of both change along a row, at different paces */
    SPARSE,    /* most are zero */
    N_PATTERNS
};

struct product {
    struct kcheck *t;
    bool head; /* else ternary */
    size_t rows, cols, m;
    size_t q_stride, y_stride;
    float alpha;
    enum buffers_place place;
    int8_t w[MAX_WEIGHTS]; /* [rows][cols]: -1..1, or -127..127 */
    const void *packed;
    const float *w_scale;
    const int8_t *q;
    const struct kern_int8_row *row;
};

static int8_t number(struct kcheck *t, enum pattern pattern, int largest, size_t i, bool weight)
{
    int x = (int)rng_below(&t->rng, 2 * (uint64_t)largest + 1) - largest;
    switch (pattern) {
    case HIGH:
        return (int8_t)largest;
    case OPPOSITE:
        return (int8_t)(weight ? -largest : largest);
    case LOW:
        return (int8_t)-largest;
    case ALTERNATE:
        return (int8_t)(i / (weight ? 1 : 4) % 2 ? largest : -largest);
    case SPARSE:
        return (int8_t)(rng_below(&t->rng, 16) ? 0 : x);
    default:
        return (int8_t)x;
    }
}

/* A 64-byte aligned operand. */
static void *packed_operand(const struct product *p, size_t bytes, bool output)
{
    size_t slack = p->place == BUFFERS_UNALIGNED ? 64 : 0;
    unsigned char *at = output ? buffers_output(bytes + slack) : buffers_input(bytes + slack);
    if (output)
        memset(at, FILLER, bytes + slack);
    return at + (ALIGN_UP((uintptr_t)at, 64) - (uintptr_t)at) % (slack + 1);
}

static size_t packed_bytes(const struct product *p, size_t rows)
{
    const struct kern_exact *k = &p->t->kern->exact;
    return (p->head ? k->int8_head_bytes : k->int8_tern_bytes)(rows, p->cols);
}

static size_t panel_of(const struct product *p)
{
    return p->head ? p->t->kern->exact.int8_head_panel : p->t->kern->exact.int8_tern_panel;
}

/* As model.h describes them. */
static void write_codes(const struct product *p, uint8_t *codes)
{
    size_t row_bytes = DIV_UP(p->cols, 4);
    memset(codes, 0, p->rows * row_bytes);
    for (size_t r = 0; r < p->rows; r++)
        for (size_t c = 0; c < p->cols; c++) {
            unsigned code = (unsigned)(p->w[r * p->cols + c] + 1);
            codes[r * row_bytes + c / 4] |= (uint8_t)(code << 2 * (c % 4));
        }
}

/* Packs in traps, and leaves the result as an input in new ones. */
static void pack(struct product *p)
{
    const struct kern_exact *k = &p->t->kern->exact;
    size_t bytes = packed_bytes(p, p->rows);
    size_t n_in = p->rows * (p->head ? p->cols : DIV_UP(p->cols, 4));
    void *in = buffers_input(n_in);
    if (p->head)
        memcpy(in, p->w, n_in);
    else
        write_codes(p, in);
    void *out = packed_operand(p, bytes, true);
    buffers_seal();
    if (p->head)
        k->int8_head_pack(in, p->rows, p->cols, out);
    else
        k->int8_tern_pack(in, p->rows, p->cols, out);
    kcheck_untouched(p->t);
    buffers_reset(p->place);
    p->packed = memcpy(packed_operand(p, bytes, false), out, bytes);
}

static void fill_weights(struct product *p, enum pattern pattern)
{
    for (size_t i = 0; i < p->rows * p->cols; i++)
        p->w[i] = number(p->t, pattern, p->head ? 127 : 1, i % p->cols, true);
}

/* Rows of q as int8_round leaves them, with bytes between them that no product may use. The last
 * row ends the operand. */
static void fill_rows(struct product *p, enum pattern pattern)
{
    struct kcheck *t = p->t;
    size_t row_bytes = ALIGN_UP(p->cols, (size_t)KERN_INT8_ALIGN);
    p->q_stride = row_bytes + KERN_INT8_ALIGN * rng_below(&t->rng, 3);
    size_t bytes = (p->m - 1) * p->q_stride + row_bytes;
    int8_t *q = buffers_input(bytes);
    struct kern_int8_row *row = buffers_input(p->m * sizeof *row);
    float *w_scale = buffers_input(p->rows * sizeof *w_scale);
    memset(q, FILLER, bytes);
    for (size_t i = 0; i < p->m; i++) {
        row[i] = (struct kern_int8_row){.scale = 0.001f + (float)rng_unit(&t->rng)};
        memset(q + i * p->q_stride, 0, row_bytes);
        for (size_t c = 0; c < p->cols; c++) {
            q[i * p->q_stride + c] = number(t, pattern, 127, c, false);
            row[i].sum += q[i * p->q_stride + c];
        }
    }
    for (size_t r = 0; r < p->rows; r++)
        w_scale[r] = 0.001f + (float)rng_unit(&t->rng);
    p->alpha = 0.001f + (float)rng_unit(&t->rng);
    p->q = q;
    p->row = row;
    p->w_scale = w_scale;
}

/* The rows [first, first + count) of the weights. */
static void multiply(const struct product *p, size_t first, size_t count, float *y)
{
    const struct kern_exact *k = &p->t->kern->exact;
    const unsigned char *packed = (const unsigned char *)p->packed + packed_bytes(p, first);
    if (p->head)
        k->int8_head(packed, p->w_scale + first, count, p->cols, p->m, p->q, p->q_stride, p->row,
                     y + first, p->y_stride);
    else
        k->int8_tern(packed, count, p->cols, p->alpha, p->m, p->q, p->q_stride, p->row, y + first,
                     p->y_stride);
}

static float expected(const struct product *p, size_t i, size_t r)
{
    int64_t sum = 0;
    for (size_t c = 0; c < p->cols; c++)
        sum += (int64_t)p->w[r * p->cols + c] * p->q[i * p->q_stride + c];
    float scale = p->row[i].scale;
    if (p->head) {
        float scaled = (float)sum * scale;
        return scaled * p->w_scale[r];
    }
    float factor = p->alpha * scale;
    return (float)sum * factor;
}

/* y [m][y_stride], the last row ending the operand; NaN wherever nothing may be written. */
static float *result_operand(struct product *p, size_t *n)
{
    p->y_stride = p->rows + rng_below(&p->t->rng, 4) * 5;
    *n = (p->m - 1) * p->y_stride + p->rows;
    return kcheck_output(p->t, *n);
}

static void compute(struct product *p)
{
    static float want[MAX_M * (MAX_ROWS + 20)];
    size_t n;
    float *y = result_operand(p, &n);
    float *y_cut = kcheck_output(p->t, n);
    size_t cut = panel_of(p) * (1 + rng_below(&p->t->rng, 2));
    cut = MIN(cut, p->rows);
    kcheck_seal(p->t);
    memcpy(want, kcheck_before(y), n * sizeof *want);
    for (size_t i = 0; i < p->m; i++)
        for (size_t r = 0; r < p->rows; r++)
            want[i * p->y_stride + r] = expected(p, i, r);
    multiply(p, 0, p->rows, y);
    multiply(p, 0, cut, y_cut);
    if (cut < p->rows)
        multiply(p, cut, p->rows - cut, y_cut);
    kcheck_same(p->t, "y", y, want, n * sizeof *want);
    kcheck_same(p->t, "y of two parts", y_cut, want, n * sizeof *want);
    kcheck_untouched(p->t);
}

static void one(struct product *p, enum pattern pattern)
{
    static const char *const names[N_PATTERNS] = {"random", "high",        "opposite",
                                                  "low",    "alternating", "sparse"};
    p->place = (enum buffers_place)rng_below(&p->t->rng, BUFFERS_N_PLACES);
    kcheck_case(p->t, "%zux%zu, %zu rows of q, %s, place %d", p->rows, p->cols, p->m,
                names[pattern], (int)p->place);
    buffers_reset(p->place);
    fill_weights(p, pattern);
    pack(p);
    fill_rows(p, pattern);
    compute(p);
}

static void each_product(struct kcheck *t, bool head)
{
    static struct product p;
    static const size_t rows[] = {1, 7, 16, 31, 32, 33, 63, 64, 65, 97, 128, 130, 192, 200};
    p.t = t;
    p.head = head;
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (size_t m = 1; m <= 40; m += m < 14 ? 1 : 13) {
            p.cols = kcheck_sizes[s];
            p.rows = rows[rng_below(&t->rng, ARRAY_LEN(rows))];
            p.m = m;
            one(&p, (enum pattern)rng_below(&t->rng, N_PATTERNS));
        }
    for (size_t m = 1; m <= MAX_M; m++) {
        p.cols = 1 + rng_below(&t->rng, 100);
        p.rows = rows[rng_below(&t->rng, ARRAY_LEN(rows))];
        p.m = m;
        one(&p, (enum pattern)rng_below(&t->rng, N_PATTERNS));
    }
    for (int pattern = 0; pattern < N_PATTERNS; pattern++)
        for (size_t m = 1; m <= 17; m = m < 7 ? m + 3 : m + 10) {
            p.cols = (head ? LONG_HEAD : LONG_TERN) - (size_t)(pattern % 2);
            p.rows = LONG_ROWS;
            p.m = m;
            one(&p, (enum pattern)pattern);
        }
}

/* A row that is not finite has NaN for a scale: its results are NaN, those of its neighbours not.
 */
static void each_spoilt(struct kcheck *t, bool head)
{
    static struct product p;
    p.t = t;
    p.head = head;
    for (p.m = 1; p.m <= 18; p.m++) {
        size_t bad = rng_below(&t->rng, p.m);
        size_t n;
        p.rows = 1 + rng_below(&t->rng, MAX_ROWS);
        p.cols = 1 + rng_below(&t->rng, 300);
        p.place = BUFFERS_BEFORE_GUARD;
        kcheck_case(t, "%zux%zu, row %zu of %zu is not finite", p.rows, p.cols, bad, p.m);
        buffers_reset(p.place);
        fill_weights(&p, RANDOM);
        pack(&p);
        fill_rows(&p, RANDOM);
        memset((int8_t *)(uintptr_t)p.q + bad * p.q_stride, 0, p.cols);
        ((struct kern_int8_row *)(uintptr_t)p.row)[bad] = (struct kern_int8_row){.scale = NAN};
        float *y = result_operand(&p, &n);
        kcheck_seal(t);
        multiply(&p, 0, p.rows, y);
        kcheck_all_nan(t, "y", y + bad * p.y_stride, p.rows);
        for (size_t i = 0; i < p.m; i++)
            for (size_t r = 0; i != bad && r < p.rows; r++)
                kcheck_near(t, "y", i * p.y_stride + r, (double)y[i * p.y_stride + r],
                            (double)expected(&p, i, r), 0);
        kcheck_untouched(t);
    }
}

void kcheck_int8_tern(struct kcheck *t)
{
    each_product(t, false);
    each_spoilt(t, false);
}

void kcheck_int8_head(struct kcheck *t)
{
    each_product(t, true);
    each_spoilt(t, true);
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Unit vectors give back the columns, MAX_M at a time. */
static void read_back(struct product *p)
{
    for (size_t c0 = 0; c0 < p->cols; c0 += MAX_M) {
        size_t n;
        p->m = MIN(p->cols - c0, (size_t)MAX_M);
        p->q_stride = ALIGN_UP(p->cols, (size_t)KERN_INT8_ALIGN);
        int8_t *q = buffers_input(p->m * p->q_stride);
        struct kern_int8_row *row = buffers_input(p->m * sizeof *row);
        float *w_scale = buffers_input(p->rows * sizeof *w_scale);
        float *y = result_operand(p, &n);
        memset(q, 0, p->m * p->q_stride);
        for (size_t i = 0; i < p->m; i++) {
            q[i * p->q_stride + c0 + i] = 1;
            row[i] = (struct kern_int8_row){1, 1};
        }
        for (size_t r = 0; r < p->rows; r++)
            w_scale[r] = 1;
        p->q = q;
        p->row = row;
        p->w_scale = w_scale;
        p->alpha = 1;
        multiply(p, 0, p->rows, y);
        for (size_t i = 0; i < p->m; i++)
            for (size_t r = 0; r < p->rows; r++)
                kcheck_near(p->t, "weight", r * p->cols + c0 + i, (double)y[i * p->y_stride + r],
                            p->w[r * p->cols + c0 + i], 0);
        buffers_reset(p->place);
        packed_operand(p, packed_bytes(p, p->rows),
                       false); /* the packed weights stay where they are */
    }
}

static void each_pack(struct kcheck *t, bool head)
{
    static struct product p;
    p.t = t;
    p.head = head;
    for (size_t s = 0; s < kcheck_n_sizes; s++)
        for (int place = 0; place < BUFFERS_N_PLACES; place++) {
            p.cols = kcheck_sizes[s];
            p.rows = 1 + rng_below(&t->rng, MAX_ROWS);
            p.place = (enum buffers_place)place;
            kcheck_case(t, "%zux%zu, place %d", p.rows, p.cols, place);
            buffers_reset(p.place);
            fill_weights(&p, RANDOM);
            pack(&p);
            read_back(&p);
            size_t panel = panel_of(&p);
            if (packed_bytes(&p, panel) % 64 ||
                packed_bytes(&p, p.rows) != DIV_UP(p.rows, panel) * packed_bytes(&p, panel))
                kcheck_fail(t, "%zu bytes are not whole panels of whole lines",
                            packed_bytes(&p, p.rows));
        }
}

void kcheck_int8_tern_pack(struct kcheck *t)
{
    each_pack(t, false);
}

void kcheck_int8_head_pack(struct kcheck *t)
{
    each_pack(t, true);
}
