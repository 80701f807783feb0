#include "train/grad.h"

#include <string.h>

enum { WEIGHT_TILE = 48 }; /* rows of a weight matrix whose gradient is one task */

struct batch {
    struct grad *grad;
    const uint16_t *tokens;
    const uint32_t *pos;
    size_t rows;
    bool add; /* to the gradient that is there */
    int block;
};

static struct span tile_span(size_t task, size_t rows)
{
    size_t first = task * NET_TILE;
    return (struct span){first, MIN((size_t)NET_TILE, rows - first)};
}

static float *tile_sums(const struct grad *g, size_t tile)
{
    size_t D = (size_t)g->net->dims.D;
    return g->tile_sums + tile * ((size_t)g->net->dims.K + 2) * D;
}

void grad_init(struct grad *g, struct net *n, struct arena *a)
{
    const struct kern *k = n->kern;
    size_t rows = n->max_rows;
    size_t D = (size_t)n->dims.D;
    size_t H = (size_t)n->dims.H;
    struct operand_use both = {.keep_floats = true, .keep_columns = true};
    struct operand_use columns = {.keep_columns = true};
    *g = (struct grad){.net = n};
    g->g = arena_alloc(a, dims_n_floats(&n->dims), sizeof(float));
    loss_init(&g->loss, n, a);
    operand_init(&g->d_out, k, rows, D, both, a);
    operand_init(&g->d_in, k, rows, D, both, a);
    operand_init(&g->d_mid, k, rows, D, both, a);
    operand_init(&g->d_a, k, rows, H, columns, a);
    columns.slot = 1; /* d_a and d_b are computed together */
    operand_init(&g->d_b, k, rows, H, columns, a);
    operand_init(&g->d_gv, k, rows, 2 * D, both, a);
    g->d_conv = arena_alloc(a, rows * D, sizeof(float));
    g->d_norm = arena_alloc(a, rows * D, sizeof(float));
    g->n_tiles = DIV_UP(rows, (size_t)NET_TILE);
    g->tile_sums = arena_alloc(a, g->n_tiles * ((size_t)n->dims.K + 2) * D, sizeof(float));
}

/* ---- products -------------------------------------------------------------------------------- */

/* dx [count][in] (+)= dy W: the input's gradient of a linear layer for the rows of a span, which
 * are all written in dy. */
static void input_gradient(const struct net *n, const struct net_linear *l,
                           const struct operand *dy, struct span s, size_t worker, float *dx,
                           bool add)
{
    const struct kern *k = n->kern;
    size_t cells = DIV_UP(l->n_out, k->unit);
    k->product(s.count, l->n_in, cells, operand_pack(dy, k, &n->scratch, s, worker), cells, 1,
               (struct kern_b){l->columns, l->n_in}, dx, l->n_in, add);
}

/* Input and output gradient of a linear layer over all rows: what its weight gradient is made of.
 */
struct pair {
    const uint32_t *x;
    const uint32_t *dy;
};

static struct pair layer_pair(const struct grad *g, int block, size_t layer)
{
    const struct net_acts *t = &g->net->block[block].acts;
    switch (layer) {
    case NET_MIXER_UP:
        return (struct pair){t->norm1.columns, g->d_gv.columns};
    case NET_MIXER_DOWN:
        return (struct pair){t->mixed.columns, g->d_mid.columns};
    case NET_FFN_GATE:
        return (struct pair){t->norm2.columns, g->d_a.columns};
    case NET_FFN_UP:
        return (struct pair){t->norm2.columns, g->d_b.columns};
    default:
        return (struct pair){t->ffn_hidden.columns, g->d_out.columns};
    }
}

/* ---- sums over rows -------------------------------------------------------------------------- */

/* g[tensor] (+)= sum over tiles of their rows [which][D], in tile order; taps are stored [D][K]. */
static void add_tile_sums(const struct batch *b, enum tensor_kind kind, int block, size_t which,
                          size_t column, size_t stride)
{
    const struct grad *g = b->grad;
    size_t D = (size_t)g->net->dims.D;
    size_t n = DIV_UP(b->rows, (size_t)NET_TILE);
    float *out = g->g + dims_offset(&g->net->dims, kind, block) + column;
    for (size_t c = 0; c < D; c++) {
        float sum = 0;
        for (size_t t = 0; t < n; t++)
            sum += tile_sums(g, t)[which * D + c];
        out[c * stride] = b->add ? out[c * stride] + sum : sum;
    }
}

static void reduce_block(const struct batch *b)
{
    size_t K = (size_t)b->grad->net->dims.K;
    for (size_t i = 0; i < K; i++)
        add_tile_sums(b, TENSOR_TAPS, b->block, i, i, K);
    add_tile_sums(b, TENSOR_NORM1, b->block, K, 0, 1);
    add_tile_sums(b, TENSOR_NORM2, b->block, K + 1, 0, 1);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* dx = skip (or 0) + the gradient of a norm's input, given dy, that of its output; d_scale [D] =
 * that of its scale.
 */
static void norm_back(const struct grad *g, const float *x, const float *scale, const float *rstd,
                      struct span s, const float *dy, const float *skip, float *dx, float *d_scale)
{
    const struct kern *k = g->net->kern;
    size_t D = (size_t)g->net->dims.D;
    if (skip)
        memcpy(dx + s.first * D, skip + s.first * D, s.count * D * sizeof(float));
    else
        memset(dx + s.first * D, 0, s.count * D * sizeof(float));
    memset(d_scale, 0, D * sizeof(float));
    for (size_t r = s.first; r < s.first + s.count; r++)
        k->rmsnorm_back(x + r * D, scale, rstd[r], dy + r * D, D, dx + r * D, d_scale);
}

static void final_norm_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct batch *b = context;
    const struct grad *g = b->grad;
    const struct net *n = g->net;
    norm_back(g, n->x_final, n->final_norm, n->rstd_final, tile_span(task, b->rows),
              g->loss.d_hidden, NULL, g->d_out.floats, tile_sums(g, task));
}

static void glu_task(void *context, size_t task, size_t worker)
{
    const struct batch *b = context;
    const struct grad *g = b->grad;
    const struct net *n = g->net;
    const struct net_block *nb = &n->block[b->block];
    const struct net_acts *t = &nb->acts;
    size_t D = (size_t)n->dims.D;
    size_t H = (size_t)n->dims.H;
    struct span s = tile_span(task, b->rows);
    float *d_a = operand_floats(&g->d_a, &n->scratch, s, worker);
    float *d_b = operand_floats(&g->d_b, &n->scratch, s, worker);
    float *d_norm = g->d_norm + s.first * D;
    float *d_conv = g->d_conv + s.first * D;
    input_gradient(n, &nb->linear[NET_FFN_DOWN], &g->d_out, s, worker, d_b, false);
    n->kern->swiglu_back(t->ffn_gate + s.first * H, t->ffn_up + s.first * H, d_b, s.count * H, d_a,
                         d_b);
    input_gradient(n, &nb->linear[NET_FFN_GATE], &g->d_a, s, worker, d_norm, false);
    input_gradient(n, &nb->linear[NET_FFN_UP], &g->d_b, s, worker, d_norm, true);
    norm_back(g, t->mid, nb->norm2, t->rstd2, s, g->d_norm, g->d_out.floats, g->d_mid.floats,
              tile_sums(g, task) + ((size_t)n->dims.K + 1) * D);
    input_gradient(n, &nb->linear[NET_MIXER_DOWN], &g->d_mid, s, worker, d_conv, false);
    for (size_t r = s.first; r < s.first + s.count; r++, d_conv += D)
        n->kern->gate_back(t->conv + r * D, t->gate_value + r * 2 * D, d_conv, D, d_conv,
                           g->d_gv.floats + r * 2 * D);
}

/* Rows r, r + dilation, ... of r's own sequence, at most K: those whose convolution reads row r. */
static size_t later_rows(const struct batch *b, size_t r, size_t dilation, size_t K)
{
    size_t n = 1;
    while (n < K && r + n * dilation < b->rows &&
           b->pos[r + n * dilation] == b->pos[r] + n * dilation)
        n++;
    return n;
}

/* The gradients of v and of the taps, for one tile. */
static void conv_back(const struct batch *b, struct span s, float *sums)
{
    const struct grad *g = b->grad;
    const struct net_block *nb = &g->net->block[b->block];
    const struct kern *k = g->net->kern;
    size_t D = (size_t)g->net->dims.D;
    size_t K = (size_t)g->net->dims.K;
    size_t dilation = (size_t)g->net->dims.dilation[b->block];
    memset(sums, 0, K * D * sizeof(float));
    for (size_t r = s.first; r < s.first + s.count; r++) {
        const float *d_conv = g->d_conv + r * D;
        size_t later = later_rows(b, r, dilation, K);
        k->conv_back(d_conv, dilation * D, nb->taps + (K - later) * D, later, D,
                     g->d_gv.floats + r * 2 * D + D);
        size_t n_taps = MIN(K, b->pos[r] / dilation + 1);
        for (size_t i = 0; i < n_taps; i++)
            k->mul_add(d_conv, nb->acts.gate_value + (r - i * dilation) * 2 * D + D, D,
                       sums + (K - 1 - i) * D);
    }
}

static void conv_task(void *context, size_t task, size_t worker)
{
    const struct batch *b = context;
    const struct grad *g = b->grad;
    const struct net_block *nb = &g->net->block[b->block];
    size_t D = (size_t)g->net->dims.D;
    struct span s = tile_span(task, b->rows);
    float *sums = tile_sums(g, task);
    conv_back(b, s, sums);
    input_gradient(g->net, &nb->linear[NET_MIXER_UP], &g->d_gv, s, worker, g->d_norm + s.first * D,
                   false);
    norm_back(g, nb->acts.x, nb->norm1, nb->acts.rstd1, s, g->d_norm, g->d_mid.floats,
              g->d_in.floats, sums + (size_t)g->net->dims.K * D);
}

static void weight_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct batch *b = context;
    const struct grad *g = b->grad;
    const struct net *n = g->net;
    for (size_t layer = 0; layer < NET_N_LAYERS; layer++) {
        const struct net_linear *l = &n->block[b->block].linear[layer];
        size_t n_tasks = DIV_UP(l->n_out, (size_t)WEIGHT_TILE);
        if (task >= n_tasks) {
            task -= n_tasks;
            continue;
        }
        struct pair p = layer_pair(g, b->block, layer);
        size_t first = task * WEIGHT_TILE;
        float *dw = g->g + dims_offset(&n->dims, net_layer_kind[layer], b->block);
        n->kern->product(MIN((size_t)WEIGHT_TILE, l->n_out - first), l->n_in,
                         DIV_UP(b->rows, n->kern->unit), p.dy + first, 1, l->n_out,
                         (struct kern_b){p.x, l->n_in}, dw + first * l->n_in, l->n_in, b->add);
        return;
    }
    reduce_block(b);
}

static size_t n_weight_tasks(const struct net_block *b)
{
    size_t n = 1; /* the sums */
    for (size_t i = 0; i < NET_N_LAYERS; i++)
        n += DIV_UP(b->linear[i].n_out, (size_t)WEIGHT_TILE);
    return n;
}

/* The embedding as input: rows in order, so a token's sum does not depend on who adds it. */
static void add_embedding(const struct batch *b)
{
    const struct grad *g = b->grad;
    size_t D = (size_t)g->net->dims.D;
    for (size_t r = 0; r < b->rows; r++)
        g->net->kern->add(g->d_out.floats + r * D, D, g->g + b->tokens[r] * D);
}

double grad_batch(struct grad *g, struct pool *p, const uint16_t *tokens, const uint16_t *targets,
                  const uint32_t *pos, size_t rows, float share, bool first)
{
    struct net *n = g->net;
    struct batch b = {.grad = g, .tokens = tokens, .pos = pos, .rows = rows, .add = !first};
    size_t n_tiles = DIV_UP(rows, (size_t)NET_TILE);
    net_forward(n, p, tokens, pos, rows);
    phases_end(&g->phases, PHASE_FORWARD);
    loss_backward(&g->loss, p, targets, rows, share / (float)rows, first, g->g, &g->phases);
    pool_run(p, final_norm_task, &b, n_tiles);
    add_tile_sums(&b, TENSOR_FINAL_NORM, 0, 0, 0, 1);
    phases_end(&g->phases, PHASE_REST);
    for (b.block = n->dims.L - 1; b.block >= 0; b.block--) {
        pool_run(p, glu_task, &b, n_tiles);
        phases_end(&g->phases, PHASE_GLU);
        pool_run(p, conv_task, &b, n_tiles);
        phases_end(&g->phases, PHASE_CONV);
        pool_run(p, weight_task, &b, n_weight_tasks(&n->block[b.block]));
        phases_end(&g->phases, PHASE_WEIGHTS);
        struct operand swap = g->d_out;
        g->d_out = g->d_in;
        g->d_in = swap;
    }
    add_embedding(&b);
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        sum += (double)g->loss.nll[r];
    phases_end(&g->phases, PHASE_REST);
    return sum / (double)rows;
}
