#include "model/net.h"

#include <string.h>

#include "model/tern.h"

const enum tensor_kind net_layer_kind[NET_N_LAYERS] = {
    [NET_UP] = TENSOR_UP,         [NET_DOWN] = TENSOR_DOWN,         [NET_GATE] = TENSOR_FFN_GATE,
    [NET_FFN_UP] = TENSOR_FFN_UP, [NET_FFN_DOWN] = TENSOR_FFN_DOWN,
};

/* ---- memory ---------------------------------------------------------------------------------- */

static float *floats(struct arena *a, size_t rows, size_t cols)
{
    size_t n = 0;
    if (!size_mul(rows, cols, &n))
        n = SIZE_MAX / sizeof(float); /* arena_alloc refuses it */
    return arena_alloc(a, n, sizeof(float));
}

static void linear_init(struct net_linear *l, size_t n_out, size_t n_in, bool own_w,
                        const struct kern *k, struct arena *a)
{
    l->n_out = n_out;
    l->n_in = n_in;
    l->w = own_w ? floats(a, n_out, n_in) : NULL;
    l->packed = arena_alloc(a, kern_packed_floats(k, n_in, n_out), sizeof(float));
}

static void acts_init(struct net_acts *t, const struct dims *d, size_t rows, struct arena *a)
{
    size_t D = (size_t)d->D;
    size_t H = (size_t)d->H;
    t->x = floats(a, rows, D);
    t->rstd1 = floats(a, rows, 1);
    t->n1 = floats(a, rows, D);
    t->gv = floats(a, rows, 2 * D);
    t->conv = floats(a, rows, D);
    t->mixed = floats(a, rows, D);
    t->mid = floats(a, rows, D);
    t->rstd2 = floats(a, rows, 1);
    t->n2 = floats(a, rows, D);
    t->a = floats(a, rows, H);
    t->b = floats(a, rows, H);
    t->h = floats(a, rows, H);
}

void net_init(struct net *n, const struct dims *d, size_t max_rows, bool keep, const struct kern *k,
              struct arena *a)
{
    size_t D = (size_t)d->D;
    *n = (struct net){.dims = *d, .kern = k, .max_rows = max_rows, .keep = keep};
    for (int l = 0; l < d->L; l++) {
        struct net_block *b = &n->block[l];
        b->conv_taps = floats(a, (size_t)d->K, D);
        for (int i = 0; i < NET_N_LAYERS; i++) {
            int rank;
            size_t shape[3];
            dims_shape(d, net_layer_kind[i], &rank, shape);
            linear_init(&b->linear[i], shape[0], shape[1], true, k, a);
        }
        if (keep || l < 2)
            acts_init(&b->acts, d, max_rows, a);
        else
            b->acts = n->block[l - 2].acts;
    }
    linear_init(&n->head, (size_t)d->V, D, false, k, a);
    n->x_final = floats(a, max_rows, D);
    n->rstd_final = floats(a, max_rows, 1);
    n->hidden = floats(a, max_rows, D);
    n->head_rows = MIN(max_rows, (size_t)NET_HEAD_ROWS);
    n->logits = floats(a, n->head_rows, (size_t)d->V);
}

/* ---- weights --------------------------------------------------------------------------------- */

enum {
    PACK_COLS = 1024
}; /* vocabulary rows of one packing task of the head; a multiple of panels */

struct load {
    struct net *net;
    bool ternary;
};

static void load_layer(struct net *n, size_t block, size_t layer, bool ternary)
{
    struct net_linear *l = &n->block[block].linear[layer];
    const float *w = n->params + dims_offset(&n->dims, net_layer_kind[layer], (int)block);
    size_t count = l->n_out * l->n_in;
    float alpha = tern_alpha(n->kern, w, count);
    n->alpha[block][layer] = alpha;
    if (ternary)
        memcpy(l->w, w, count * sizeof *w);
    else
        tern_quantise(n->kern, w, count, alpha, l->w);
    n->kern->pack(l->w, l->n_out, l->n_in, 0, l->n_out, l->packed);
}

static void load_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct load *job = context;
    struct net *n = job->net;
    size_t layers = NET_N_LAYERS * (size_t)n->dims.L;
    if (task < layers) {
        load_layer(n, task / NET_N_LAYERS, task % NET_N_LAYERS, job->ternary);
        return;
    }
    size_t first = (task - layers) * PACK_COLS;
    size_t count = MIN((size_t)PACK_COLS, n->head.n_out - first);
    n->kern->pack(n->head.w, n->head.n_out, n->head.n_in, first, count, n->head.packed);
}

void net_load(struct net *n, struct pool *p, const float *params, bool ternary)
{
    const struct dims *d = &n->dims;
    n->params = params;
    n->head.w = (float *)(uintptr_t)(params + dims_offset(d, TENSOR_EMBED, 0)); /* only read */
    n->final_norm = params + dims_offset(d, TENSOR_FINAL_NORM, 0);
    for (int l = 0; l < d->L; l++) {
        struct net_block *b = &n->block[l];
        b->norm1 = params + dims_offset(d, TENSOR_NORM1, l);
        b->norm2 = params + dims_offset(d, TENSOR_NORM2, l);
        b->conv = params + dims_offset(d, TENSOR_CONV, l);
        for (int c = 0; c < d->D; c++)
            for (int i = 0; i < d->K; i++)
                b->conv_taps[(size_t)i * (size_t)d->D + (size_t)c] = b->conv[c * d->K + i];
    }
    struct load job = {n, ternary};
    pool_run(p, load_task, &job,
             NET_N_LAYERS * (size_t)d->L + DIV_UP(n->head.n_out, (size_t)PACK_COLS));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Rows of one task. */
struct span {
    size_t first;
    size_t count;
};

static void apply(const struct kern *k, const struct net_linear *l, const float *x, struct span s,
                  float *y, bool add)
{
    k->product(s.count, l->n_out, l->n_in, x + s.first * l->n_in, l->n_in, 1,
               (struct kern_b){l->packed, 0}, y + s.first * l->n_out, l->n_out, add);
}

static void normalise(const struct net *n, const float *x, const float *scale, struct span s,
                      float *y, float *rstd)
{
    size_t D = (size_t)n->dims.D;
    for (size_t r = s.first; r < s.first + s.count; r++)
        n->kern->rmsnorm(x + r * D, scale, D, DIMS_NORM_EPS, y + r * D, &rstd[r]);
}

/* All that a block does before rows look at each other. */
static void first_half(const struct net *n, int block, struct span s)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    normalise(n, t->x, b->norm1, s, t->n1, t->rstd1);
    apply(n->kern, &b->linear[NET_UP], t->n1, s, t->gv, false);
}

static void mix(const struct net *n, int block, const uint32_t *pos, struct span s)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    size_t D = (size_t)n->dims.D;
    size_t K = (size_t)n->dims.K;
    size_t dilation = (size_t)n->dims.dilation[block];
    for (size_t r = s.first; r < s.first + s.count; r++) {
        const float *g = t->gv + r * 2 * D;
        size_t n_taps = MIN(K, pos[r] / dilation + 1);
        n->kern->conv(g + D, dilation * 2 * D, b->conv_taps + (K - n_taps) * D, n_taps, D,
                      t->conv + r * D);
        n->kern->gate(t->conv + r * D, g, D, t->mixed + r * D);
    }
}

/* The rest; the block's output goes to `out`. */
static void second_half(const struct net *n, int block, const uint32_t *pos, struct span s,
                        float *out)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    size_t D = (size_t)n->dims.D;
    size_t H = (size_t)n->dims.H;
    size_t bytes = s.count * D * sizeof(float);
    mix(n, block, pos, s);
    memcpy(t->mid + s.first * D, t->x + s.first * D, bytes);
    apply(n->kern, &b->linear[NET_DOWN], t->mixed, s, t->mid, true);
    normalise(n, t->mid, b->norm2, s, t->n2, t->rstd2);
    apply(n->kern, &b->linear[NET_GATE], t->n2, s, t->a, false);
    apply(n->kern, &b->linear[NET_FFN_UP], t->n2, s, t->b, false);
    n->kern->swiglu(t->a + s.first * H, t->b + s.first * H, s.count * H, t->h + s.first * H);
    memcpy(out + s.first * D, t->mid + s.first * D, bytes);
    apply(n->kern, &b->linear[NET_FFN_DOWN], t->h, s, out, true);
}

struct forward {
    struct net *net;
    const uint16_t *tokens;
    const uint32_t *pos;
    size_t rows;
    int block; /* whose first half is next; L: the final norm */
};

static void forward_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct forward *f = context;
    const struct net *n = f->net;
    size_t D = (size_t)n->dims.D;
    size_t first = task * NET_TILE;
    struct span s = {first, MIN((size_t)NET_TILE, f->rows - first)};
    bool last = f->block == n->dims.L;
    if (f->block == 0)
        for (size_t r = s.first; r < s.first + s.count; r++)
            memcpy(n->block[0].acts.x + r * D, n->head.w + f->tokens[r] * D, D * sizeof(float));
    else
        second_half(n, f->block - 1, f->pos, s, last ? n->x_final : n->block[f->block].acts.x);
    if (last)
        normalise(n, n->x_final, n->final_norm, s, n->hidden, n->rstd_final);
    else
        first_half(n, f->block, s);
}

void net_forward(struct net *n, struct pool *p, const uint16_t *tokens, const uint32_t *pos,
                 size_t rows)
{
    struct forward f = {.net = n, .tokens = tokens, .pos = pos, .rows = rows};
    for (f.block = 0; f.block <= n->dims.L; f.block++)
        pool_run(p, forward_task, &f, DIV_UP(rows, (size_t)NET_TILE));
}

/* ---- head ------------------------------------------------------------------------------------ */

struct head {
    struct net *net;
    const uint16_t *targets;
    float *nll;
    size_t first; /* row of logits[0] */
    size_t count;
};

static void nll_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct head *h = context;
    const struct net *n = h->net;
    size_t V = (size_t)n->dims.V;
    size_t at = task * NET_HEAD_TILE;
    size_t count = MIN((size_t)NET_HEAD_TILE, h->count - at);
    float *logits = n->logits + at * V;
    net_logits(n, h->first + at, count, logits);
    for (size_t r = 0; r < count; r++) {
        size_t row = h->first + at + r;
        h->nll[row] = n->kern->logsumexp(logits + r * V, V) - logits[r * V + h->targets[row]];
    }
}

void net_nll(struct net *n, struct pool *p, const uint16_t *targets, size_t rows, float *nll)
{
    struct head h = {.net = n, .targets = targets, .nll = nll};
    for (h.first = 0; h.first < rows; h.first += n->head_rows) {
        h.count = MIN(n->head_rows, rows - h.first);
        pool_run(p, nll_task, &h, DIV_UP(h.count, (size_t)NET_HEAD_TILE));
    }
}

void net_logits(const struct net *n, size_t first, size_t count, float *out)
{
    size_t D = (size_t)n->dims.D;
    n->kern->product(count, n->head.n_out, D, n->hidden + first * D, D, 1,
                     (struct kern_b){n->head.packed, 0}, out, n->head.n_out, false);
}
