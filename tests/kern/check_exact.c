/* check_exact.c - inference with float activations, bit by bit.
 *
 * The references below are written from the text of kern/exact.h, one number at a time, and run
 * with denormals kept or flushed as the call did. Overflow, infinity and NaN are data like any
 * other here; NaNs are equal to each other. What packed weights look like is each level's own
 * affair: only products show it. */
#include "kern/kcheck.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

/* ---- comparing ------------------------------------------------------------------------------- */

/* Which bits may differ, beside those of a NaN. */
enum zeros { ZERO_SIGNED, ZERO_EITHER };

static unsigned bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Of the bits, since the processor may take a denormal number for zero. */
static bool same_bits(float a, float b, enum zeros zeros)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return bits_of(a) == bits_of(b) ||
           (zeros == ZERO_EITHER && (bits_of(a) | bits_of(b)) << 1 == 0);
}

static void compare(struct kcheck *t, const char *what, const float *got, const float *want,
                    size_t n, enum zeros zeros)
{
    for (size_t i = 0; i < n; i++)
        if (!same_bits(got[i], want[i], zeros))
            kcheck_fail(t, "%s %zu has the bits %08x, not %08x", what, i, bits_of(got[i]),
                        bits_of(want[i]));
}

/* ---- data ------------------------------------------------------------------------------------ */

/* In one case of four, numbers that a kernel may treat unlike others, here and there. */
static void sprinkle(struct kcheck *t, float *x, size_t n)
{
    static const float special[] = {NAN,     INFINITY, -INFINITY, 0.0f,       -0.0f,
                                    FLT_MAX, -FLT_MAX, FLT_MIN,   -0x1p-149f, 0x1.fffffcp-127f};
    if (rng_below(&t->rng, 4))
        return;
    for (size_t i = 0; i < 1 + n / 16; i++)
        x[rng_below(&t->rng, n)] = special[rng_below(&t->rng, ARRAY_LEN(special))];
}

static float *input(struct kcheck *t, size_t n, float limit)
{
    float *x = kcheck_input(t, n, limit);
    sprinkle(t, x, n);
    return x;
}

static float *gates(struct kcheck *t, size_t n)
{
    float *x = kcheck_gates(t, n);
    sprinkle(t, x, n);
    return x;
}

enum { MOST = 4096 /* elements of a reference */ };

/* ---- norm ------------------------------------------------------------------------------------ */

static void rmsnorm_of(const float *x, const float *scale, size_t n, float eps, float *y)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++) {
        float square = x[i] * x[i];
        lane[i % 16] = lane[i % 16] + square;
    }
    for (size_t i = 0; i < 8; i++)
        lane[i] = lane[i] + lane[i + 8];
    for (size_t i = 0; i < 4; i++)
        lane[i] = lane[i] + lane[i + 4];
    float s = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    float mean = s / (float)n;
    float r = 1 / sqrtf(mean + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] * r) * scale[i];
}

static void rmsnorm_one(struct kcheck *t, size_t n)
{
    float want[MOST];
    const float *x = input(t, n, rng_below(&t->rng, 2) ? 1e18f : 1e3f);
    const float *scale = input(t, n, 1e3f);
    float *y = kcheck_output(t, n);
    float eps = rng_below(&t->rng, 4) ? 1e-6f : 0;
    kcheck_seal(t);
    t->kern->exact.rmsnorm(x, scale, n, eps, y);
    rmsnorm_of(x, scale, n, eps, want);
    compare(t, "y", y, want, n, ZERO_SIGNED);
}

void kcheck_exact_rmsnorm(struct kcheck *t)
{
    kcheck_sweep(t, 1, rmsnorm_one);
}

/* ---- convolution ----------------------------------------------------------------------------- */

static void conv_one(struct kcheck *t, size_t n)
{
    float want[MOST];
    size_t n_taps = 1 + rng_below(&t->rng, 9);
    size_t back = n + rng_below(&t->rng, 3) * 7;
    const float *taps = input(t, n_taps * n, 1e19f);
    const float *rows = input(t, (n_taps - 1) * back + n, 1e19f);
    float *y = kcheck_output(t, n);
    const float *v = rows + (n_taps - 1) * back;
    kcheck_seal(t);
    t->kern->exact.conv(v, back, taps, n_taps, n, y);
    for (size_t c = 0; c < n; c++) {
        want[c] = 0;
        for (size_t i = 0; i < n_taps; i++) {
            float term = taps[i * n + c] * *(v - (n_taps - 1 - i) * back + c);
            want[c] = want[c] + term;
        }
    }
    compare(t, "y", y, want, n, ZERO_SIGNED);
}

void kcheck_exact_conv(struct kcheck *t)
{
    kcheck_sweep(t, 1, conv_one);
}

/* ---- gates ----------------------------------------------------------------------------------- */

/* Not inlined, so that no compiler replaces a product with 1 by a copy of a denormal number. */
static __attribute__((noinline)) float sigmoid(float x)
{
    float power = fmath_expf(-x);
    return 1 / (1 + power);
}

/* Apart, then in place of either operand. */
static void gated_one(struct kcheck *t, const char *what, const float *x, const float *z,
                      const float *want, size_t n,
                      void (*op)(const float *x, const float *z, size_t n, float *y))
{
    float *y = kcheck_output(t, n);
    float *at_x = kcheck_output(t, n);
    float *at_z = kcheck_output(t, n);
    memcpy(at_x, x, n * sizeof *x);
    memcpy(at_z, z, n * sizeof *z);
    kcheck_seal(t);
    op(x, z, n, y);
    op(at_x, z, n, at_x);
    op(x, at_z, n, at_z);
    compare(t, what, y, want, n, ZERO_SIGNED);
    compare(t, "in place of the first", at_x, want, n, ZERO_SIGNED);
    compare(t, "in place of the second", at_z, want, n, ZERO_SIGNED);
}

static void gate_one(struct kcheck *t, size_t n)
{
    float want[MOST];
    const float *c = input(t, n, 1e30f);
    const float *g = gates(t, n);
    kcheck_flush(t->flush);
    for (size_t i = 0; i < n; i++)
        want[i] = c[i] * sigmoid(g[i]);
    gated_one(t, "u", c, g, want, n, t->kern->exact.gate);
}

void kcheck_exact_gate(struct kcheck *t)
{
    kcheck_sweep(t, 1, gate_one);
}

static void swiglu_one(struct kcheck *t, size_t n)
{
    float want[MOST];
    const float *a = gates(t, n);
    const float *b = input(t, n, 1e30f);
    kcheck_flush(t->flush);
    for (size_t i = 0; i < n; i++)
        want[i] = (a[i] * sigmoid(a[i])) * b[i];
    gated_one(t, "h", a, b, want, n, t->kern->exact.swiglu);
}

void kcheck_exact_swiglu(struct kcheck *t)
{
    kcheck_sweep(t, 1, swiglu_one);
}

/* ---- attention ------------------------------------------------------------------------------- */

static float fold_lanes(float lane[16])
{
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] = lane[i] + lane[i + half];
    return lane[0];
}

static void attend_of(const struct kern_attend *a, float *w, float *out)
{
    float lane[16] = {0};
    float most = -INFINITY;
    for (size_t j = 0; j < a->n; j++) {
        float sum = 0;
        for (size_t c = 0; c < a->key_width; c++) {
            float term = a->query[c] * a->keys[c * a->key_stride + j];
            sum = sum + term;
        }
        float score = sum * a->scale;
        w[j] = score + a->bias[j];
        most = w[j] > most ? w[j] : most;
    }
    for (size_t j = 0; j < a->n; j++) {
        w[j] = fmath_expf(w[j] - most);
        lane[j % 16] = lane[j % 16] + w[j];
    }
    float factor = 1 / fold_lanes(lane);
    for (size_t c = 0; c < a->value_width; c++) {
        float s[4] = {0};
        for (size_t j = 0; j < a->n; j++) {
            float term = w[j] * a->values[j * a->value_stride + c];
            s[j % 4] = s[j % 4] + term;
        }
        float sum = (s[0] + s[1]) + (s[2] + s[3]);
        out[c] = sum * factor;
    }
}

/* n keys; queries and values of some of the sizes. */
static void attend_one(struct kcheck *t, size_t n)
{
    static const size_t widths[] = {1, 3, 8, 16, 17, 32, 40};
    float weights[MOST], want[MOST];
    float limit = rng_below(&t->rng, 2) ? 2 : 1e18f;
    struct kern_attend a = {.n = n,
                            .key_width = widths[rng_below(&t->rng, ARRAY_LEN(widths))],
                            .value_width = widths[rng_below(&t->rng, ARRAY_LEN(widths))],
                            .scale = 0.25f};
    a.key_stride = n + rng_below(&t->rng, 3) * 5;
    a.value_stride = a.value_width + rng_below(&t->rng, 3) * 5;
    a.query = input(t, a.key_width, limit);
    a.keys = input(t, (a.key_width - 1) * a.key_stride + n, limit);
    a.bias = input(t, n, limit);
    a.values = input(t, (n - 1) * a.value_stride + a.value_width, limit);
    a.weights = kcheck_output(t, n);
    a.out = kcheck_output(t, a.value_width);
    kcheck_seal(t);
    t->kern->exact.attend(&a);
    attend_of(&a, weights, want);
    compare(t, "weight", a.weights, weights, n, ZERO_SIGNED);
    compare(t, "out", a.out, want, a.value_width, ZERO_SIGNED);
}

void kcheck_exact_attend(struct kcheck *t)
{
    kcheck_sweep(t, 1, attend_one);
}

/* ---- products -------------------------------------------------------------------------------- */

struct product {
    struct kcheck *t;
    enum buffers_place place;
    size_t rows, cols, m, x_stride, y_stride;
    size_t cut; /* where the rows are cut in two calls: a multiple of the panel, or rows */
    const float *x;
    float *y;
};

/* An operand aligned to 64 bytes, which ends where it must end but for that. */
static unsigned char *packed_room(const struct product *p, size_t bytes)
{
    size_t slack = p->place == BUFFERS_UNALIGNED ? 64 : 0;
    unsigned char *at = buffers_output(ALIGN_UP(bytes, 64) + slack);
    return at + (ALIGN_UP((uintptr_t)at, 64) - (uintptr_t)at) % (slack + 1);
}

/* Activations and results, with strides; what lies between is filled too. */
static void take_rows(struct product *p)
{
    struct kcheck *t = p->t;
    size_t n_x = (p->m - 1) * p->x_stride + p->cols;
    size_t n_y = (p->m - 1) * p->y_stride + p->rows;
    p->x = input(t, n_x, rng_below(&t->rng, 4) ? 1e18f : FLT_MAX);
    p->y = kcheck_output(t, n_y);
}

/* Row i of y, and that the gap after it is as it was. */
static void compare_row(const struct product *p, size_t i, const float *want, enum zeros zeros)
{
    const float *got = p->y + i * p->y_stride;
    compare(p->t, "row", got, want, p->rows, zeros);
    if (i + 1 < p->m)
        kcheck_same(p->t, "gap", got + p->rows, kcheck_before(p->y) + i * p->y_stride + p->rows,
                    (p->y_stride - p->rows) * sizeof *got);
}

/* Shapes: each pair of awkward sizes with some number of tokens, then some larger ones; in turn
 * every place, kind of data and treatment of denormals. */
static void each_product(struct kcheck *t, size_t panel, void (*one)(struct product *p))
{
    static const size_t sizes[] = {1, 2, 3, 4, 7, 16, 17, 18, 31, 33, 64, 65, 100, 128, 130, 192};
    static const size_t larger[][2] = {{192, 512},  {512, 192}, {70, 576},  {33, 580}, {40, 770},
                                       {129, 1153}, {5, 3000},  {1030, 80}, {520, 26}};
    static const size_t tokens[] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 21};
    size_t n_small = ARRAY_LEN(sizes) * ARRAY_LEN(sizes);
    for (size_t i = 0; i < n_small + 12 * ARRAY_LEN(larger); i++) {
        const size_t *large = larger[i % ARRAY_LEN(larger)];
        struct product p = {.t = t, .place = (enum buffers_place)(i % BUFFERS_N_PLACES)};
        p.rows = i < n_small ? sizes[i % ARRAY_LEN(sizes)] : large[0];
        p.cols = i < n_small ? sizes[i / ARRAY_LEN(sizes)] : large[1];
        p.m = tokens[rng_below(&t->rng, ARRAY_LEN(tokens))];
        p.x_stride = p.cols + rng_below(&t->rng, 3) * 5;
        p.y_stride = p.rows + rng_below(&t->rng, 3) * 7;
        p.cut = panel * (1 + rng_below(&t->rng, DIV_UP(p.rows, panel)));
        p.cut = MIN(p.cut, p.rows);
        t->data = (enum kcheck_data)rng_below(&t->rng, KCHECK_N_DATA);
        t->flush = rng_below(&t->rng, 2);
        buffers_reset(p.place);
        kcheck_case(t, "%zu x %zu, cut at %zu, %zu tokens, data %d%s", p.rows, p.cols, p.cut, p.m,
                    (int)t->data, t->flush ? ", denormals flushed" : "");
        one(&p);
        kcheck_untouched(t);
        kcheck_flush(false);
    }
}

/* ---- ternary weights ------------------------------------------------------------------------- */

static uint8_t *random_codes(const struct product *p)
{
    size_t row_bytes = DIV_UP(p->cols, (size_t)4);
    uint8_t *codes = buffers_input(p->rows * row_bytes);
    memset(codes, 0, p->rows * row_bytes);
    for (size_t r = 0; r < p->rows; r++) {
        uint64_t only = rng_below(&p->t->rng, 6); /* a row of one code, now and then */
        for (size_t c = 0; c < 4 * row_bytes; c++) {
            uint64_t code = c >= p->cols ? 1 : only < 3 ? only : rng_below(&p->t->rng, 3);
            codes[r * row_bytes + c / 4] |= (uint8_t)(code << 2 * (c % 4));
        }
    }
    return codes;
}

static float term(const struct product *p, const uint8_t *codes, const float *x, size_t c)
{
    unsigned code = c < p->cols ? (unsigned)codes[c / 4] >> 2 * (c % 4) & 3 : 1;
    return code == 0 ? -x[c] : code == 1 ? 0.0f : x[c];
}

static float tern_of(const struct product *p, const uint8_t *codes, const float *x, float alpha)
{
    float sum = 0;
    for (size_t c = 0; c < p->cols; c += 3) {
        float s = term(p, codes, x, c) + term(p, codes, x, c + 1);
        s = s + term(p, codes, x, c + 2);
        sum = sum + s;
    }
    return sum * alpha;
}

static void tern_one(struct product *p)
{
    const struct kern_exact *k = &p->t->kern->exact;
    float want[MOST];
    float alpha = (float)rng_unit(&p->t->rng);
    const uint8_t *codes = random_codes(p);
    unsigned char *packed = packed_room(p, k->float_tern_bytes(p->rows, p->cols));
    take_rows(p);
    kcheck_seal(p->t);
    k->float_tern_pack(codes, p->rows, p->cols, packed);
    k->float_tern(packed, p->cut, p->cols, alpha, p->m, p->x, p->x_stride, p->y, p->y_stride);
    if (p->cut < p->rows)
        k->float_tern(packed + k->float_tern_bytes(p->cut, p->cols), p->rows - p->cut, p->cols,
                      alpha, p->m, p->x, p->x_stride, p->y + p->cut, p->y_stride);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t r = 0; r < p->rows; r++)
            want[r] = tern_of(p, codes + r * DIV_UP(p->cols, 4), p->x + i * p->x_stride, alpha);
        compare_row(p, i, want, p->t->flush ? ZERO_EITHER : ZERO_SIGNED);
    }
}

void kcheck_float_tern(struct kcheck *t)
{
    each_product(t, t->kern->exact.float_tern_panel, tern_one);
}

/* ---- the head -------------------------------------------------------------------------------- */

struct weights {
    enum number_type type;
    const unsigned char *w; /* [rows][cols] */
    const float *scale;     /* [rows]; NULL but for Q8 */
};

/* Finite numbers of any size that the type has. */
static struct weights random_weights(const struct product *p, enum number_type type)
{
    struct kcheck *t = p->t;
    size_t n = p->rows * p->cols;
    unsigned char *w = buffers_input(n * number_bytes(type));
    struct weights s = {type, w, type == NUMBER_Q8 ? kcheck_input(t, p->rows, 1e3f) : NULL};
    if (type == NUMBER_F32)
        kcheck_fill(t, (float *)w, n, 1e18f);
    for (size_t i = 0; i < n && type == NUMBER_F16; i++) {
        uint16_t h = (uint16_t)rng_u64(&t->rng);
        h = number_f16_is_finite(h) ? h : (uint16_t)(h & 0x83ff);
        memcpy(w + 2 * i, &h, sizeof h);
    }
    for (size_t i = 0; i < n && type == NUMBER_Q8; i++)
        w[i] = (unsigned char)((int)rng_below(&t->rng, 255) - 127);
    return s;
}

static float weight(const struct weights *s, size_t i)
{
    uint16_t h;
    float x;
    switch (s->type) {
    case NUMBER_F32:
        memcpy(&x, s->w + 4 * i, sizeof x);
        return x;
    case NUMBER_F16:
        memcpy(&h, s->w + 2 * i, sizeof h);
        return number_f16_value(h);
    default:
        return (float)(signed char)s->w[i];
    }
}

static float head_of(const struct product *p, const struct weights *s, size_t r, const float *x)
{
    float sum = 0;
    for (size_t c = 0; c < p->cols; c++) {
        float product = weight(s, r * p->cols + c) * x[c];
        sum = sum + product;
    }
    return s->type == NUMBER_Q8 ? sum * s->scale[r] : sum;
}

static void head_typed(struct product *p, enum number_type type)
{
    const struct kern_exact *k = &p->t->kern->exact;
    float want[MOST];
    struct weights s = random_weights(p, type);
    unsigned char *packed = packed_room(p, k->float_head_bytes(type, p->rows, p->cols));
    take_rows(p);
    kcheck_seal(p->t);
    k->float_head_pack(type, s.w, p->rows, p->cols, packed);
    k->float_head(type, packed, s.scale, p->cut, p->cols, p->m, p->x, p->x_stride, p->y,
                  p->y_stride);
    if (p->cut < p->rows)
        k->float_head(type, packed + k->float_head_bytes(type, p->cut, p->cols),
                      s.scale ? s.scale + p->cut : NULL, p->rows - p->cut, p->cols, p->m, p->x,
                      p->x_stride, p->y + p->cut, p->y_stride);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t r = 0; r < p->rows; r++)
            want[r] = head_of(p, &s, r, p->x + i * p->x_stride);
        compare_row(p, i, want, ZERO_SIGNED);
    }
}

static void head_f32(struct product *p)
{
    head_typed(p, NUMBER_F32);
}

static void head_f16(struct product *p)
{
    head_typed(p, NUMBER_F16);
}

static void head_q8(struct product *p)
{
    head_typed(p, NUMBER_Q8);
}

void kcheck_float_head(struct kcheck *t)
{
    each_product(t, t->kern->exact.float_head_panel, head_f32);
    each_product(t, t->kern->exact.float_head_panel, head_f16);
    each_product(t, t->kern->exact.float_head_panel, head_q8);
}

/* Of any rows, in any order, the same ones again, too. */
static void rows_one(struct product *p)
{
    static const enum number_type types[] = {NUMBER_F32, NUMBER_F16, NUMBER_Q8};
    struct kcheck *t = p->t;
    float want[MOST];
    struct weights s = random_weights(p, types[rng_below(&t->rng, ARRAY_LEN(types))]);
    uint16_t *ids = buffers_input(p->m * sizeof *ids);
    for (size_t j = 0; j < p->m; j++)
        ids[j] = (uint16_t)rng_below(&t->rng, p->rows);
    ids[p->m - 1] = (uint16_t)(p->rows - 1);
    const float *x = input(t, p->cols, rng_below(&t->rng, 4) ? 1e18f : FLT_MAX);
    float *y = kcheck_output(t, p->m);
    kcheck_seal(t);
    t->kern->exact.float_rows(s.type, s.w, s.scale, p->cols, ids, p->m, x, y);
    for (size_t j = 0; j < p->m; j++)
        want[j] = head_of(p, &s, ids[j], x);
    compare(t, number_type_names[s.type], y, want, p->m, ZERO_SIGNED);
}

void kcheck_float_rows(struct kcheck *t)
{
    each_product(t, 1, rows_one);
}
