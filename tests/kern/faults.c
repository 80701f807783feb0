#include "kern/faults.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "kern/kcheck.h"

static struct kern sound; /* the table before it was broken */

/* One unit in the last place would be within a bound; this is not, even of a long sum. */
static void spoil(float *x)
{
    *x = *x * 1.01f + 1e-3f;
}

static void broken_product(size_t m, size_t n, size_t k, const void *a, size_t a_row, size_t a_col,
                           struct kern_b b, float *c, size_t c_stride, bool add)
{
    sound.product(m, n, k, a, a_row, a_col, b, c, c_stride, add);
    spoil(&c[(m - 1) * c_stride + n - 1]);
}

/* Of cells, the smallest change there is. */
static void broken_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                        void *out)
{
    sound.pack(w, n_out, n_in, first, count, out);
    *((uint32_t *)out + first * DIV_UP(n_in, sound.unit)) ^= 1;
}

static void broken_operand(const float *x, size_t rows, size_t cols, void *by_rows,
                           void *by_columns)
{
    sound.operand(x, rows, cols, by_rows, by_columns);
    if (by_columns)
        *(uint32_t *)by_columns ^= 1;
}

static void broken_rmsnorm(const float *x, const float *scale, size_t n, float eps, float *y,
                           float *rstd)
{
    sound.rmsnorm(x, scale, n, eps, y, rstd);
    spoil(&y[n - 1]);
}

static void broken_rmsnorm_back(const float *x, const float *scale, float rstd, const float *dy,
                                size_t n, float *dx, float *dscale)
{
    sound.rmsnorm_back(x, scale, rstd, dy, n, dx, dscale);
    spoil(&dscale[n - 1]);
}

static void broken_conv(const struct kern_conv *o, const float *v, float *y)
{
    sound.conv(o, v, y);
    spoil(&y[o->n - 1]);
}

static void broken_conv_back(const struct kern_conv *o, const float *dy, float *dv)
{
    sound.conv_back(o, dy, dv);
    spoil(&dv[o->n - 1]);
}

static void broken_conv_taps(const struct kern_conv *o, const float *dy, const float *v,
                             float *dtaps)
{
    sound.conv_taps(o, dy, v, dtaps);
    spoil(&dtaps[o->n - 1]);
}

static void broken_gate(const float *c, const float *g, size_t n, float *u)
{
    sound.gate(c, g, n, u);
    spoil(&u[n - 1]);
}

static void broken_gate_back(const float *c, const float *g, const float *du, size_t n, float *dc,
                             float *dg, float *u)
{
    sound.gate_back(c, g, du, n, dc, dg, u);
    spoil(&dg[n - 1]);
}

static void broken_swiglu(const float *a, const float *b, size_t n, float *h)
{
    sound.swiglu(a, b, n, h);
    spoil(&h[n - 1]);
}

static void broken_swiglu_back(const float *a, const float *b, const float *dh, size_t n, float *da,
                               float *db, float *h)
{
    sound.swiglu_back(a, b, dh, n, da, db, h);
    spoil(&da[n - 1]);
}

static void broken_add(const float *x, size_t n, float *y)
{
    sound.add(x, n, y);
    spoil(&y[n - 1]);
}

static float broken_logsumexp(const float *x, size_t n)
{
    float lse = sound.logsumexp(x, n);
    spoil(&lse);
    return lse;
}

static float broken_maximum(const float *x, size_t n)
{
    float maximum = sound.maximum(x, n);
    spoil(&maximum);
    return maximum;
}

static void broken_powers(float *x, size_t x_stride, size_t rows, size_t n, const float *level,
                          float *sum, void *by_rows, void *by_columns, size_t columns_stride)
{
    sound.powers(x, x_stride, rows, n, level, sum, by_rows, by_columns, columns_stride);
    spoil(&sum[rows - 1]);
}

static void broken_attend(float *s, float *d, float scale, size_t n)
{
    sound.attend(s, d, scale, n);
    spoil(d ? &d[n - 1] : &s[n - 1]);
}

/* The exact operations: the smallest change there is. */
static double broken_sum_abs(const float *w, size_t n)
{
    return nextafter(sound.sum_abs(w, n), INFINITY);
}

static double broken_sum_sq(const float *w, size_t n)
{
    return nextafter(sound.sum_sq(w, n), INFINITY);
}

static void broken_quantise(const float *w, size_t n, float divisor, float alpha, float *out)
{
    sound.quantise(w, n, divisor, alpha, out);
    if (out[n - 1] == 0)
        out[n - 1] = -0.0f;
}

static void broken_adamw(float *w, const float *g, float *m, float *v, size_t n,
                         const struct kern_adamw *o)
{
    sound.adamw(w, g, m, v, n, o);
    spoil(&v[n - 1]);
}

static void broken_nesterov(const float *g, float *m, size_t n, float mu, float *y)
{
    sound.nesterov(g, m, n, mu, y);
    spoil(&y[n - 1]);
}

static void broken_descend(float *w, const float *x, size_t n, const struct kern_descend *o)
{
    sound.descend(w, x, n, o);
    spoil(&w[n - 1]);
}

static void broken_axpby(float a, const float *x, float b, size_t n, float *y)
{
    sound.axpby(a, x, b, n, y);
    spoil(&y[n - 1]);
}

static void broken_transpose(const void *in, size_t in_stride, size_t rows, size_t cols, void *out,
                             size_t out_stride)
{
    sound.transpose(in, in_stride, rows, cols, out, out_stride);
    *(uint32_t *)out ^= 1;
}

/* ---- inference ------------------------------------------------------------------------------- */

/* Exact, and the smallest change there is; of packed weights, one bit of the first. */
static void broken_int8_round(const float *x, size_t n, int8_t *q, struct kern_int8_row *row)
{
    sound.exact.int8_round(x, n, q, row);
    q[ALIGN_UP(n, (size_t)KERN_INT8_ALIGN) - 1] ^= 1;
}

static void broken_int8_tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    sound.exact.int8_tern_pack(codes, rows, cols, packed);
    *(uint8_t *)packed ^= 1;
}

static void broken_int8_tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                             const int8_t *q, size_t q_stride, const struct kern_int8_row *row,
                             float *y, size_t y_stride)
{
    sound.exact.int8_tern(packed, rows, cols, alpha, m, q, q_stride, row, y, y_stride);
    float *last = &y[(m - 1) * y_stride + rows - 1];
    *last = nextafterf(*last, INFINITY);
}

static void broken_int8_head_pack(const int8_t *w, size_t rows, size_t cols, void *packed)
{
    sound.exact.int8_head_pack(w, rows, cols, packed);
    *(uint8_t *)packed ^= 1;
}

static void broken_int8_head(const void *packed, const float *w_scale, size_t rows, size_t cols,
                             size_t m, const int8_t *q, size_t q_stride,
                             const struct kern_int8_row *row, float *y, size_t y_stride)
{
    sound.exact.int8_head(packed, w_scale, rows, cols, m, q, q_stride, row, y, y_stride);
    float *last = &y[(m - 1) * y_stride + rows - 1];
    *last = nextafterf(*last, INFINITY);
}

/* Exact too: the last bit of the last result. */
static void spoil_bit(float *x)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits ^= 1;
    memcpy(x, &bits, sizeof bits);
}

static void broken_float_tern(const void *packed, size_t rows, size_t cols, float alpha, size_t m,
                              const float *x, size_t x_stride, float *y, size_t y_stride)
{
    sound.exact.float_tern(packed, rows, cols, alpha, m, x, x_stride, y, y_stride);
    spoil_bit(&y[(m - 1) * y_stride + rows - 1]);
}

static void broken_float_head(enum number_type type, const void *packed, const float *w_scale,
                              size_t rows, size_t cols, size_t m, const float *x, size_t x_stride,
                              float *y, size_t y_stride)
{
    sound.exact.float_head(type, packed, w_scale, rows, cols, m, x, x_stride, y, y_stride);
    spoil_bit(&y[(m - 1) * y_stride + rows - 1]);
}

static void broken_float_rows(enum number_type type, const void *w, const float *w_scale,
                              size_t cols, const uint16_t *ids, size_t n, const float *x, float *y)
{
    sound.exact.float_rows(type, w, w_scale, cols, ids, n, x, y);
    spoil_bit(&y[n - 1]);
}

static void broken_exact_rmsnorm(const float *x, const float *scale, size_t n, float eps, float *y)
{
    sound.exact.rmsnorm(x, scale, n, eps, y);
    spoil_bit(&y[n - 1]);
}

static void broken_exact_conv(const float *v, size_t back, const float *taps, size_t n_taps,
                              size_t n, float *y)
{
    sound.exact.conv(v, back, taps, n_taps, n, y);
    spoil_bit(&y[n - 1]);
}

static void broken_exact_gate(const float *c, const float *g, size_t n, float *u)
{
    sound.exact.gate(c, g, n, u);
    spoil_bit(&u[n - 1]);
}

static void broken_exact_swiglu(const float *a, const float *b, size_t n, float *h)
{
    sound.exact.swiglu(a, b, n, h);
    spoil_bit(&h[n - 1]);
}

static void broken_exact_attend(const struct kern_attend *a)
{
    sound.exact.attend(a);
    spoil_bit(&a->out[a->value_width - 1]);
}

static void broken_exp(const float *x, size_t n, float *y)
{
    sound.exact.exp(x, n, y);
    y[n - 1] = nextafterf(y[n - 1], INFINITY);
}

static float broken_exact_logsumexp(const float *x, size_t n)
{
    return nextafterf(sound.exact.logsumexp(x, n), INFINITY);
}

/* The last of those that are equal, not the first. */
static size_t broken_argmax(const float *x, size_t n)
{
    size_t best = sound.exact.argmax(x, n);
    for (size_t i = best + 1; i < n; i++)
        best = x[i] == x[best] ? i : best;
    return best;
}

static size_t broken_largest(const float *x, size_t n, size_t k, uint16_t *ids)
{
    return MAX(sound.exact.largest(x, n, k, ids), 2) - 1;
}

/* Without the slack. */
static size_t broken_reaching(const float *x, size_t n, float a, const float *s, float b,
                              const float *t, float bound, uint16_t *ids)
{
    (void)a;
    (void)b;
    return sound.exact.reaching(x, n, 0, s, 0, t, bound, ids);
}

/* All of them are a set with all that is asked for, too. */
static size_t largest_all(const float *x, size_t n, size_t k, uint16_t *ids)
{
    (void)x;
    (void)k;
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint16_t)i;
    return n;
}

/* ---- around an operand
 * ----------------------------------------------------------------------- */

static void add_over(const float *x, size_t n, float *y)
{
    sound.add(x, n, y);
    if (n % 16) /* as a kernel does that stores a whole vector at the end */
        y[n] = 1;
}

static void add_under(const float *x, size_t n, float *y)
{
    sound.add(x, n, y);
    y[-1] = 1;
}

static void add_input(const float *x, size_t n, float *y)
{
    sound.add(x, n, y);
    if (x[0] == 0) /* the sign of a zero: no result shows it */
        *(float *)(uintptr_t)x = -x[0];
}

static void add_trap(const float *x, size_t n, float *y)
{
    sound.add(x, n, y);
    raise(SIGILL);
}

/* From the list: what puts the broken operation into a table. */
#define OP(name, member)               \
    void faults_##name(struct kern *k) \
    {                                  \
        k->member = broken_##name;     \
    }
KCHECK_OPS(OP)
#undef OP

/* Faults that no result shows, beside the operations' own. */
static bool install_special(struct kern *k, const char *name)
{
    static const struct {
        const char *name;
        void (*add)(const float *x, size_t n, float *y);
    } adds[] = {{"add-over", add_over},
                {"add-under", add_under},
                {"add-input", add_input},
                {"add-trap", add_trap}};
    for (size_t i = 0; i < ARRAY_LEN(adds); i++)
        if (strcmp(name, adds[i].name) == 0) {
            k->add = adds[i].add;
            return true;
        }
    if (strcmp(name, "largest-all") == 0) {
        k->exact.largest = largest_all;
        return true;
    }
    return false;
}

bool faults_install(struct kern *k, const char *name)
{
    sound = *k;
    for (size_t i = 0; i < kcheck_n_ops; i++)
        if (strcmp(name, kcheck_ops[i].name) == 0) {
            kcheck_ops[i].fault(k);
            return true;
        }
    return install_special(k, name);
}
