/* check_steps.c - what optimisers do: AdamW, momentum, steps, and the small change of matrices that
 * are made orthogonal. */
#include "kern/kcheck.h"

#include <math.h>

static const double TINIEST = (double)FLT_MIN;

/* ---- AdamW ----------------------------------------------------------------------------------- */

struct moments {
    double m, m_bound;
    double v, v_bound;
    double w, w_bound;
};

static struct moments adamw_of(double w, double g, double m, double v, const struct kern_adamw *o)
{
    struct moments r;
    double beta1 = (double)o->beta1;
    double beta2 = (double)o->beta2;
    double grad = g * (double)o->g_scale;
    double part = (1 - beta1) * grad;
    r.m = beta1 * m + part;
    r.m_bound = ROUNDING * (3 * fabs(beta1 * m) + 5 * fabs(part)) + 3 * TINIEST;
    part = (1 - beta2) * grad * grad;
    r.v = beta2 * v + part;
    r.v_bound = ROUNDING * (3 * beta2 * v + 6 * part) + 3 * TINIEST;
    double rate = (double)o->lr / (double)o->bias1;
    double below = sqrt(r.v / (double)o->bias2) + (double)o->eps;
    double decay = 1 - (double)o->lr * (double)o->weight_decay;
    double update = rate * r.m / below;
    r.w = w * decay - update;
    r.w_bound = ROUNDING * (4 * fabs(w) + 14 * fabs(update)) + rate * r.m_bound / below +
                2 * TINIEST * (1 + 1 / below);
    /* v that underflowed shows only where eps does not hide it */
    r.w_bound += fabs(update) * sqrt(4 * TINIEST / (double)o->bias2) / below;
    return r;
}

static void adamw_one(struct kcheck *t, size_t n)
{
    uint64_t step = 1 + rng_below(&t->rng, 1000);
    const struct kern_adamw o = {
        .lr = 4e-3f,
        .beta1 = 0.9f,
        .beta2 = 0.95f,
        .eps = 1e-8f,
        .weight_decay = rng_below(&t->rng, 2) ? 0.01f : 0,
        .bias1 = (float)(1 - pow(0.9, (double)step)),
        .bias2 = (float)(1 - pow(0.95, (double)step)),
        .g_scale = rng_below(&t->rng, 2) ? 1 : 0.173f,
    };
    float *w = kcheck_in_out(t, n, 1e6f);
    const float *g = kcheck_input(t, n, 1e15f);
    float *m = kcheck_in_out(t, n, 1e15f);
    float *v = kcheck_in_out(t, n, 1e30f);
    for (size_t i = 0; i < n; i++)
        v[i] = fabsf(v[i]);
    kcheck_seal(t);
    t->kern->adamw(w, g, m, v, n, &o);
    for (size_t i = 0; i < n; i++) {
        struct moments want =
            adamw_of((double)kcheck_before(w)[i], (double)g[i], (double)kcheck_before(m)[i],
                     (double)kcheck_before(v)[i], &o);
        kcheck_near(t, "m", i, (double)m[i], want.m, want.m_bound);
        kcheck_near(t, "v", i, (double)v[i], want.v, want.v_bound);
        kcheck_near(t, "w", i, (double)w[i], want.w, want.w_bound);
    }
}

void kcheck_adamw(struct kcheck *t)
{
    kcheck_sweep(t, 1, adamw_one);
}

/* ---- momentum and step ----------------------------------------------------------------------- */

static void nesterov_one(struct kcheck *t, size_t n)
{
    static const float mus[] = {0, 0.85f, 0.95f, 0.999f};
    float mu = mus[rng_below(&t->rng, ARRAY_LEN(mus))];
    const float *g = kcheck_input(t, n, 1e30f);
    float *m = kcheck_in_out(t, n, 1e30f);
    float *y = kcheck_output(t, n);
    kcheck_seal(t);
    t->kern->nesterov(g, m, n, mu, y);
    for (size_t i = 0; i < n; i++) {
        double old = (double)mu * (double)kcheck_before(m)[i];
        double fresh = (1 - (double)mu) * (double)g[i];
        double bound = ROUNDING * (2 * fabs(old) + 4 * fabs(fresh)) + 3 * TINIEST;
        kcheck_near(t, "m", i, (double)m[i], old + fresh, bound);
        kcheck_near(t, "y", i, (double)y[i], (double)mu * (old + fresh) + fresh, 3 * bound);
    }
}

void kcheck_nesterov(struct kcheck *t)
{
    kcheck_sweep(t, 1, nesterov_one);
}

static void descend_one(struct kcheck *t, size_t n)
{
    const struct kern_descend o = {
        .rate = 0.02f,
        .decay = rng_below(&t->rng, 2) ? 0.125f : 0,
    };
    float *w = kcheck_in_out(t, n, 1e15f);
    const float *x = kcheck_input(t, n, 1e15f);
    kcheck_seal(t);
    t->kern->descend(w, x, n, &o);
    for (size_t i = 0; i < n; i++) {
        double before = (double)kcheck_before(w)[i];
        double step = (double)o.rate * (double)x[i];
        double decay = (double)o.decay * before;
        double bound = ROUNDING * (3 * fabs(before) + 2 * fabs(step)) + 2 * TINIEST;
        kcheck_near(t, "w", i, (double)w[i], before - decay - step, bound);
    }
}

void kcheck_descend(struct kcheck *t)
{
    kcheck_sweep(t, 1, descend_one);
}

/* ---- matrices -------------------------------------------------------------------------------- */

static void axpby_one(struct kcheck *t, size_t n)
{
    static const float factors[] = {0, 1, -4.775f, 2.0315f};
    float a = factors[rng_below(&t->rng, ARRAY_LEN(factors))];
    float b = factors[rng_below(&t->rng, ARRAY_LEN(factors))];
    float *y = kcheck_in_out(t, n, 1e30f);
    const float *x = rng_below(&t->rng, 4) == 0 ? y : kcheck_input(t, n, 1e30f);
    kcheck_seal(t);
    t->kern->axpby(a, x, b, n, y);
    for (size_t i = 0; i < n; i++) {
        double ax = (double)a * (double)kcheck_before(x)[i];
        double by = (double)b * (double)kcheck_before(y)[i];
        kcheck_near(t, "y", i, (double)y[i], ax + by,
                    ROUNDING * 2 * (fabs(ax) + fabs(by)) + 2 * TINIEST);
    }
}

void kcheck_axpby(struct kcheck *t)
{
    kcheck_sweep(t, 1, axpby_one);
}

/* Between wider matrices, whose gaps stay as they are. */
static void transpose_one(struct kcheck *t, size_t cols)
{
    size_t rows = 1 + rng_below(&t->rng, 40);
    size_t in_stride = cols + rng_below(&t->rng, 3);
    size_t out_stride = rows + rng_below(&t->rng, 3);
    const float *in = kcheck_input(t, (rows - 1) * in_stride + cols, 1);
    float *out = kcheck_in_out(t, (cols - 1) * out_stride + rows, 1);
    kcheck_seal(t);
    t->kern->transpose(in, in_stride, rows, cols, out, out_stride);
    for (size_t i = 0; i < (cols - 1) * out_stride + rows; i++) {
        size_t row = i % out_stride;
        const float *want =
            row < rows ? &in[row * in_stride + i / out_stride] : &kcheck_before(out)[i];
        kcheck_same(t, "cell", &out[i], want, sizeof *want);
    }
}

void kcheck_transpose(struct kcheck *t)
{
    kcheck_sweep(t, 1, transpose_one);
}
