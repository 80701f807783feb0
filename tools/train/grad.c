#include "train/grad.h"

#include <assert.h>
#include <string.h>

#include "train/mixer_back.h"

enum {
    WEIGHT_WORK = 9216, /* weights of a matrix, about, whose gradient is one task, at least, */
    WEIGHT_TASKS = 8,   /* and tasks of a block that each of several threads has, about */
    WEIGHT_STEP = 16,   /* rows that kernels take at a time, once or twice */
    TOKEN_TASKS = 64,   /* tasks of the embedding as input: each has every 64th token */
    PART_TILES = 4,     /* tiles of a part for each thread, at least */
    PART_ROWS = 4096    /* rows of a part, about, where it does not depend on the threads */
};

enum { NORM1, NORM2, FINAL_NORM, N_NORMS };

static size_t n_tiles(const struct grad *g)
{
    return DIV_UP(g->part.rows, (size_t)NET_TILE);
}

static size_t n_row_tasks(const struct grad *g)
{
    return DIV_UP(g->part.rows, g->net->task_rows);
}

static struct span task_span(const struct grad *g, size_t task)
{
    size_t first = task * g->net->task_rows;
    return (struct span){first, MIN(g->net->task_rows, g->part.rows - first)};
}

/* The rows of s from `row` to the end of their tile. */
static struct span tile_of(struct span s, size_t row)
{
    return (struct span){row, MIN((size_t)NET_TILE, s.first + s.count - row)};
}

/* The sums over the rows of a tile, which begins with `row`: of the mixer, then of the norms'
 * scales. */
static float *sums_of_tile(const struct grad *g, size_t row)
{
    return g->tile_sums + row / NET_TILE * g->sums;
}

static size_t norm_sums(const struct grad *g, size_t which)
{
    return g->sums - (N_NORMS - which) * (size_t)g->net->dims.D;
}

float *grad_of(const struct grad *g, enum tensor_kind kind, int block)
{
    return g->out + dims_offset(&g->net->dims, kind, block);
}

static size_t mixer_sums(const struct dims *d)
{
    size_t most = 0;
    for (int l = 0; l < d->L; l++)
        most = MAX(most, mixer_back_of(d, l)->n_sums(d));
    return most;
}

/* What each mixer that the model has wants, once. */
static void mixers_init(struct grad *g, int n_workers, struct arena *a)
{
    const struct dims *d = &g->net->dims;
    bool done[DIMS_N_MIXERS] = {false};
    for (int l = 0; l < d->L; l++) {
        if (!done[d->mixer[l]] && mixer_back_of(d, l)->init)
            mixer_back_of(d, l)->init(g, n_workers, a);
        done[d->mixer[l]] = true;
    }
}

size_t grad_sequences(size_t T, size_t rows)
{
    size_t n = 1;
    while (n * T % rows != 0)
        n++;
    return n;
}

/* Parts of sequences that are all T long begin where a chunk of the head does. */
size_t grad_part_rows(size_t rows, size_t T, bool whole, int n_workers)
{
    size_t step = whole ? grad_sequences(T, NET_HEAD_ROWS) * T : 1;
    size_t least =
        whole ? DIV_UP(PART_TILES * NET_TILE * (size_t)n_workers, step) * step : PART_ROWS;
    size_t n_parts = MAX((size_t)1, rows / least);
    size_t even = DIV_UP(rows, n_parts);
    return MIN(rows, whole ? DIV_UP(even, step) * step : even + T);
}

/* A task reads its rows of dY and all of X: so they are few, but enough for all threads to end
 * together. */
static size_t weight_work(const struct net *n, size_t n_workers)
{
    size_t most = 0;
    for (int l = 0; l < n->dims.L; l++) {
        size_t weights = 0;
        for (int i = 0; i < NET_N_LAYERS; i++)
            weights += n->block[l].linear[i].n_out * n->block[l].linear[i].n_in;
        most = MAX(most, weights);
    }
    return n_workers > 1 ? MAX((size_t)WEIGHT_WORK, most / (WEIGHT_TASKS * n_workers)) : most;
}

void grad_init(struct grad *g, struct net *n, size_t max_rows, int n_workers, struct arena *a)
{
    const struct kern *k = n->kern;
    size_t rows = n->max_rows;
    size_t D = (size_t)n->dims.D;
    size_t H = (size_t)n->dims.H;
    struct operand_use both = {.keep_floats = true, .keep_columns = true};
    struct operand_use columns = {.keep_columns = true};
    *g = (struct grad){.net = n, .max_rows = max_rows, .next = GRAD_DONE};
    loss_init(&g->loss, n, n_workers, a);
    operand_init(&g->d_out, k, rows, D, both, a);
    operand_init(&g->d_in, k, rows, D, both, a);
    operand_init(&g->d_mid, k, rows, D, both, a);
    operand_init(&g->ffn_hidden, k, rows, H, columns, a);
    columns.slot = 1; /* these are computed together */
    operand_init(&g->d_ffn_gate, k, rows, H, columns, a);
    columns.slot = 2;
    operand_init(&g->d_ffn_up, k, rows, H, columns, a);
    operand_init(&g->d_gate_value, k, rows, 2 * D, both, a);
    g->d_mix = arena_alloc(a, rows * D, sizeof(float));
    g->d_norm = arena_alloc(a, (size_t)n_workers * n->task_rows * D, sizeof(float));
    columns.slot = 0;
    operand_init(&g->norm1, k, rows, D, columns, a);
    operand_init(&g->mixed, k, rows, D, columns, a);
    operand_init(&g->norm2, k, rows, D, columns, a);
    g->weight_work = weight_work(n, (size_t)n_workers);
    g->n_tiles = DIV_UP(rows, (size_t)NET_TILE);
    g->sums = mixer_sums(&n->dims) + N_NORMS * D;
    g->tile_sums = arena_alloc(a, g->n_tiles * g->sums, sizeof(float));
    g->d_first = arena_alloc(a, max_rows * D, sizeof(float));
    if (n->dims.embed_norm) {
        g->d_ones = arena_alloc(a, (size_t)n_workers * D, sizeof(float));
        g->rstd_embed = arena_alloc(a, max_rows, sizeof(float));
    }
    mixers_init(g, n_workers, a);
}

/* ---- operations, each beside X_forward in model/net.c ---------------------------------------- */

/* y = W x, so dx (+)= W^T dy, in rows dy W. dx [count][in] is that of the span's rows, which are
 * all written in dy. */
static void linear_back(const struct net *n, const struct net_linear *l, const struct operand *dy,
                        struct span s, size_t worker, float *dx, bool add)
{
    const struct kern *k = n->kern;
    size_t cells = DIV_UP(l->n_out, k->unit);
    k->product(s.count, l->n_in, cells, operand_pack(dy, k, &n->scratch, s, worker), cells, 1,
               (struct kern_b){l->columns, l->n_in, true}, dx, l->n_in, add);
}

/* y = rmsnorm(x, scale) once more, by columns. */
static void norm_again(const struct net *n, const float *x, const float *scale, struct span s,
                       size_t worker, const struct operand *y, float *rstd)
{
    net_norm(n, x, scale, s, worker, y, rstd);
    operand_pack_columns(y, n->kern, &n->scratch, s, worker);
}

/* y = rmsnorm(x, scale), so (kern.h rmsnorm_back) dx = skip (or 0) + what dy gives, and of each
 * tile the sums of norm `which` [D] those over its rows of dy * x * rstd; dy and rstd are those of
 * the span's rows. skip: the gradient that goes past the norm. */
static void norm_back(const struct grad *g, size_t which, const float *x, const float *scale,
                      const float *rstd, struct span s, const float *dy, const float *skip,
                      float *dx)
{
    const struct kern *k = g->net->kern;
    size_t D = (size_t)g->net->dims.D;
    float *d_scale = NULL;
    if (skip)
        memcpy(dx + s.first * D, skip + s.first * D, s.count * D * sizeof(float));
    else
        memset(dx + s.first * D, 0, s.count * D * sizeof(float));
    for (size_t i = 0; i < s.count; i++) {
        size_t r = s.first + i;
        if (i % NET_TILE == 0) {
            d_scale = sums_of_tile(g, r) + norm_sums(g, which);
            memset(d_scale, 0, D * sizeof(float));
        }
        k->rmsnorm_back(x + r * D, scale, rstd[i], dy + i * D, D, dx + r * D, d_scale);
    }
}

static float *norm_gradient(const struct grad *g, size_t worker)
{
    return g->d_norm + worker * g->net->task_rows * (size_t)g->net->dims.D;
}

/* out = mid + ffn_down h, h = silu(a) * b, a = ffn_gate n, b = ffn_up n, n = rmsnorm(mid, norm2),
 * so dh = ffn_down^T d_out;  da, db = swiglu_back(dh);  dn = ffn_gate^T da + ffn_up^T db d_mid =
 * d_out + rmsnorm_back(dn) */
static void ffn_back(const struct grad *g, struct span s, size_t worker)
{
    const struct net *n = g->net;
    const struct net_block *b = &n->block[g->block];
    const struct net_acts *t = &b->acts;
    size_t H = (size_t)n->dims.H;
    float *d_gate = operand_floats(&g->d_ffn_gate, &n->scratch, s, worker);
    float *d_up = operand_floats(&g->d_ffn_up, &n->scratch, s, worker);
    float *d_norm = norm_gradient(g, worker);
    float rstd[NET_TASK_MOST];
    norm_again(n, t->mid, b->norm2, s, worker, &g->norm2, rstd);
    linear_back(n, &b->linear[NET_FFN_DOWN], &g->d_out, s, worker, d_up, false);
    n->kern->swiglu_back(t->ffn_gate + s.first * H, t->ffn_up + s.first * H, d_up, s.count * H,
                         d_gate, d_up, operand_floats(&g->ffn_hidden, &n->scratch, s, worker));
    operand_pack_columns(&g->ffn_hidden, n->kern, &n->scratch, s, worker);
    linear_back(n, &b->linear[NET_FFN_GATE], &g->d_ffn_gate, s, worker, d_norm, false);
    linear_back(n, &b->linear[NET_FFN_UP], &g->d_ffn_up, s, worker, d_norm, true);
    norm_back(g, NORM2, t->mid, b->norm2, rstd, s, d_norm, g->d_out.floats, g->d_mid.floats);
}

/* mid = x + mixer_down (mix * sigmoid(gate)), so
 *   d_mixed = mixer_down^T d_mid;  d_mix, d_gate = gate_back(d_mixed) */
static void mixer_out_back(const struct grad *g, struct span s, size_t worker)
{
    const struct net *n = g->net;
    const struct net_block *b = &n->block[g->block];
    size_t D = (size_t)n->dims.D;
    float *d_mix = g->d_mix + s.first * D;
    float *mixed = operand_floats(&g->mixed, &n->scratch, s, worker);
    linear_back(n, &b->linear[NET_MIXER_DOWN], &g->d_mid, s, worker, d_mix, false);
    for (size_t r = s.first; r < s.first + s.count; r++, d_mix += D, mixed += D)
        n->kern->gate_back(b->acts.mix + r * D, b->acts.gate_value + r * 2 * D, d_mix, D, d_mix,
                           g->d_gate_value.floats + r * 2 * D, mixed);
    operand_pack_columns(&g->mixed, n->kern, &n->scratch, s, worker);
}

/* gate, value = mixer_up rmsnorm(x, norm1), and x also goes past the mixer, so
 *   d_in = d_mid + rmsnorm_back(mixer_up^T (d_gate, d_value))
 * and, of attention, the same of query and key */
static void mixer_in_back(const struct grad *g, struct span s, size_t worker)
{
    const struct net *n = g->net;
    const struct net_block *b = &n->block[g->block];
    float *d_norm = norm_gradient(g, worker);
    float *d_in = g->block > 0 ? g->d_in.floats : g->d_first + g->first * (size_t)n->dims.D;
    float rstd[NET_TASK_MOST];
    norm_again(n, b->acts.x, b->norm1, s, worker, &g->norm1, rstd);
    linear_back(n, &b->linear[NET_MIXER_UP], &g->d_gate_value, s, worker, d_norm, false);
    if (b->linear[NET_QUERY_KEY].n_out > 0)
        linear_back(n, &b->linear[NET_QUERY_KEY], &g->d_query_key, s, worker, d_norm, true);
    norm_back(g, NORM1, b->acts.x, b->norm1, rstd, s, d_norm, g->d_mid.floats, d_in);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void final_norm_back(const struct grad *g, struct span s)
{
    const struct net *n = g->net;
    norm_back(g, FINAL_NORM, n->x_final, n->final_norm, n->rstd_final + s.first, s,
              g->loss.d_hidden + s.first * (size_t)n->dims.D, NULL, g->d_out.floats);
}

static bool is_last_block(const struct grad *g)
{
    return g->block == g->net->dims.L - 1;
}

static void glu_task(void *context, size_t task, size_t worker)
{
    const struct grad *g = context;
    const struct mixer_back *mixer = mixer_back_of(&g->net->dims, g->block);
    struct span s = task_span(g, task);
    if (is_last_block(g))
        final_norm_back(g, s);
    ffn_back(g, s, worker);
    mixer_out_back(g, s, worker);
    for (size_t r = s.first; mixer->own && r < s.first + s.count; r += NET_TILE)
        mixer->own(g, tile_of(s, r), worker, sums_of_tile(g, r));
}

static void mixer_task(void *context, size_t task, size_t worker)
{
    const struct grad *g = context;
    const struct mixer_back *mixer = mixer_back_of(&g->net->dims, g->block);
    struct span s = task_span(g, task);
    for (size_t r = s.first; r < s.first + s.count; r += NET_TILE)
        mixer->later(g, tile_of(s, r), sums_of_tile(g, r));
    mixer_in_back(g, s, worker);
}

void grad_add_up(const struct grad *g, const float *sums, size_t step, size_t count, float *out,
                 size_t stride)
{
    size_t D = (size_t)g->net->dims.D;
    for (size_t c = 0; c < D && g->first == 0; c++)
        out[c * stride] = 0;
    for (size_t t = 0; t < count; t++)
        for (size_t c = 0; c < D; c++)
            out[c * stride] += sums[t * step + c];
}

static void add_up_norm(const struct grad *g, enum tensor_kind kind, size_t which)
{
    grad_add_up(g, g->tile_sums + norm_sums(g, which), g->sums, n_tiles(g),
                grad_of(g, kind, g->block), 1);
}

static void add_up_block(const struct grad *g)
{
    mixer_back_of(&g->net->dims, g->block)->add_up(g, g->tile_sums, g->sums, n_tiles(g));
    add_up_norm(g, TENSOR_NORM1, NORM1);
    add_up_norm(g, TENSOR_NORM2, NORM2);
    if (is_last_block(g))
        add_up_norm(g, TENSOR_FINAL_NORM, FINAL_NORM);
}

/* Input and output gradient of a linear layer over all rows, by columns: what its weight gradient
 * is made of. */
struct pair {
    const uint32_t *x;
    const uint32_t *dy;
};

static struct pair layer_pair(const struct grad *g, enum net_layer layer)
{
    switch (layer) {
    case NET_MIXER_UP:
        return (struct pair){g->norm1.columns, g->d_gate_value.columns};
    case NET_MIXER_DOWN:
        return (struct pair){g->mixed.columns, g->d_mid.columns};
    case NET_FFN_GATE:
        return (struct pair){g->norm2.columns, g->d_ffn_gate.columns};
    case NET_FFN_UP:
        return (struct pair){g->norm2.columns, g->d_ffn_up.columns};
    case NET_QUERY_KEY:
        return (struct pair){g->norm1.columns, g->d_query_key.columns};
    case NET_FFN_DOWN:
    case NET_N_LAYERS:
        break;
    }
    return (struct pair){g->ffn_hidden.columns, g->d_out.columns};
}

/* Rows of a layer's weights in one task: about as much work in all of them. */
static size_t weight_tile(const struct grad *g, const struct net_linear *l)
{
    size_t rows = g->weight_work / l->n_in;
    return MAX((size_t)WEIGHT_STEP, (rows + WEIGHT_STEP / 2) / WEIGHT_STEP * WEIGHT_STEP);
}

static size_t n_layer_tasks(const struct grad *g, enum net_layer layer)
{
    const struct net_linear *l = &g->net->block[g->block].linear[layer];
    return l->n_out > 0 ? DIV_UP(l->n_out, weight_tile(g, l)) : 0;
}

static void layer_task(const struct grad *g, enum net_layer layer, size_t task)
{
    const struct net *n = g->net;
    const struct net_linear *l = &n->block[g->block].linear[layer];
    struct pair p = layer_pair(g, layer);
    size_t first = task * weight_tile(g, l);
    n->kern->product(
        MIN(weight_tile(g, l), l->n_out - first), l->n_in, DIV_UP(g->part.rows, n->kern->unit),
        p.dy + first, 1, l->n_out, (struct kern_b){p.x, l->n_in, true},
        grad_of(g, net_layer_kind[layer], g->block) + first * l->n_in, l->n_in, g->first > 0);
}

/* The embedding as input, through its norm if it has one, of every token that is the task's: rows
 * in order, so a token's sum does not depend on who adds it. */
static void token_task(const struct grad *g, size_t task, size_t worker)
{
    size_t D = (size_t)g->net->dims.D;
    float *d_embed = grad_of(g, TENSOR_EMBED, 0);
    const struct net *n = g->net;
    for (size_t r = 0; r < g->batch.rows; r++) {
        size_t at = g->batch.tokens[r] * D;
        if (g->batch.tokens[r] % TOKEN_TASKS != task)
            continue;
        if (n->dims.embed_norm)
            n->kern->rmsnorm_back(n->embed + at, n->ones, g->rstd_embed[r], g->d_first + r * D, D,
                                  d_embed + at, g->d_ones + worker * D);
        else
            n->kern->add(g->d_first + r * D, D, d_embed + at);
    }
}

/* Long tasks before short ones, so that threads end together: the sums, layers, tokens. */
static void weight_task(void *context, size_t task, size_t worker)
{
    const struct grad *g = context;
    if (task == 0) {
        add_up_block(g);
        return;
    }
    task--;
    for (int layer = NET_N_LAYERS - 1; layer >= 0; layer--) {
        size_t n_tasks = n_layer_tasks(g, (enum net_layer)layer);
        if (task < n_tasks) {
            layer_task(g, (enum net_layer)layer, task);
            return;
        }
        task -= n_tasks;
    }
    token_task(g, task, worker);
}

static size_t n_weight_tasks(const struct grad *g)
{
    size_t n = 1; /* the sums */
    for (int layer = 0; layer < NET_N_LAYERS; layer++)
        n += n_layer_tasks(g, (enum net_layer)layer);
    return n + (g->block == 0 && grad_in_last_part(g) ? TOKEN_TASKS : 0);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

void grad_start(struct grad *g, const struct grad_batch *b, float share, float *out)
{
    assert(b->rows <= g->max_rows);
    g->batch = *b;
    g->part.rows = 0;
    g->first = 0;
    g->nats = 0;
    g->share = share;
    g->out = out;
    g->next = GRAD_FORWARD;
}

bool grad_in_last_part(const struct grad *g)
{
    return g->first + g->part.rows == g->batch.rows;
}

/* From the part that is done, or none, to the next. */
static void next_part(struct grad *g)
{
    const struct grad_batch *b = &g->batch;
    size_t first = g->first + g->part.rows;
    size_t count = MIN(g->net->max_rows, b->rows - first);
    while (first + count < b->rows && b->pos[first + count] > 0)
        count--;
    assert(count > 0);
    g->first = first;
    g->part = (struct grad_batch){b->tokens + first, b->targets + first, b->pos + first, count};
    g->head_row = 0;
    g->block = g->net->dims.L - 1;
}

static void forward_round(struct grad *g, struct pool *p)
{
    struct net *n = g->net;
    next_part(g);
    net_forward(n, p, g->part.tokens, g->part.pos, g->part.rows);
    if (n->dims.embed_norm)
        memcpy(g->rstd_embed + g->first, n->rstd_embed, g->part.rows * sizeof(float));
    g->next = GRAD_HEAD;
}

static void head_round(struct grad *g, struct pool *p)
{
    struct loss_rows r = {g->part.targets, g->part.rows, g->head_row,
                          g->share / (float)g->batch.rows, g->first > 0};
    if (g->next == GRAD_HEAD) {
        loss_hidden(&g->loss, p, &r);
        g->next = GRAD_EMBED;
        return;
    }
    loss_embed(&g->loss, p, &r, grad_of(g, TENSOR_EMBED, 0));
    g->head_row += g->net->head_rows;
    g->next = g->head_row < g->part.rows ? GRAD_HEAD : GRAD_GLU;
}

static void weights_round(struct grad *g, struct pool *p)
{
    pool_run(p, weight_task, g, n_weight_tasks(g));
    struct operand swap = g->d_out;
    g->d_out = g->d_in;
    g->d_in = swap;
    g->block--;
    g->next = GRAD_GLU;
    if (g->block >= 0)
        return;
    for (size_t r = 0; r < g->part.rows; r++)
        g->nats += (double)g->loss.nll[r];
    g->next = grad_in_last_part(g) ? GRAD_DONE : GRAD_FORWARD;
}

enum grad_round grad_round(struct grad *g, struct pool *p)
{
    enum grad_round now = g->next;
    switch (now) {
    case GRAD_FORWARD:
        forward_round(g, p);
        break;
    case GRAD_HEAD:
    case GRAD_EMBED:
        head_round(g, p);
        break;
    case GRAD_GLU:
        pool_run(p, glu_task, g, n_row_tasks(g));
        g->next = GRAD_MIXER;
        break;
    case GRAD_MIXER:
        pool_run(p, mixer_task, g, n_row_tasks(g));
        g->next = GRAD_WEIGHTS;
        break;
    case GRAD_WEIGHTS:
        weights_round(g, p);
        break;
    case GRAD_DONE:
        break;
    }
    return now;
}

double grad_loss(const struct grad *g)
{
    return g->nats / (double)g->batch.rows;
}

double grad_whole(struct grad *g, struct pool *p, const struct grad_batch *b, float *out)
{
    grad_start(g, b, 1, out);
    while (grad_round(g, p) != GRAD_DONE)
        continue;
    return grad_loss(g);
}
