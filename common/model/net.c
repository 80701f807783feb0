#include "model/net.h"

#include <string.h>

#include "model/attend.h"
#include "model/mixer.h"
#include "model/tern.h"

const enum tensor_kind net_layer_kind[NET_N_LAYERS] = {
    [NET_MIXER_UP] = TENSOR_MIXER_UP, [NET_MIXER_DOWN] = TENSOR_MIXER_DOWN,
    [NET_FFN_GATE] = TENSOR_FFN_GATE, [NET_FFN_UP] = TENSOR_FFN_UP,
    [NET_FFN_DOWN] = TENSOR_FFN_DOWN, [NET_QUERY_KEY] = TENSOR_QUERY_KEY,
};

/* ---- memory ---------------------------------------------------------------------------------- */

static float *floats(struct arena *a, size_t rows, size_t cols)
{
    size_t n = 0;
    if (!size_mul(rows, cols, &n))
        n = SIZE_MAX / sizeof(float); /* arena_alloc refuses it */
    return arena_alloc(a, n, sizeof(float));
}

/* own_columns: the parameters themselves are not W by columns. */
static void linear_init(struct net_linear *l, size_t n_out, size_t n_in, bool own_columns,
                        const struct kern *k, struct arena *a)
{
    *l = (struct net_linear){.n_out = n_out, .n_in = n_in};
    l->packed =
        arena_alloc(a, kern_packed_cells(k, DIV_UP(n_in, k->unit), n_out), sizeof(uint32_t));
    if (own_columns)
        l->own_columns = arena_alloc(a, DIV_UP(n_out, k->unit) * n_in, sizeof(uint32_t));
}

static size_t query_key_width(const struct dims *d)
{
    return 2 * (size_t)d->heads * (size_t)d->key_width;
}

static void acts_init(struct net_acts *t, const struct dims *d, size_t rows, bool query_key,
                      struct arena *a)
{
    size_t D = (size_t)d->D;
    size_t H = (size_t)d->H;
    t->x = floats(a, rows, D);
    t->gate_value = floats(a, rows, 2 * D);
    t->query_key = query_key ? floats(a, rows, query_key_width(d)) : NULL;
    t->mix = floats(a, rows, D);
    t->mid = floats(a, rows, D);
    t->ffn_gate = floats(a, rows, H);
    t->ffn_up = floats(a, rows, H);
}

/* How a chunk is cut for training: two tasks for each of several workers, or more if they would
 * have many rows, or, if few, as many tasks as there are workers or a multiple of that; and blocks
 * of columns whose logits and powers take a third of the second cache, since the weights that pass
 * through it need room too. */
static void head_cut(struct net *n, size_t n_workers)
{
    const size_t columns = KERN_SUM_COLUMNS;
    size_t rows = MIN(n->max_rows, n->head_rows);
    size_t even = rows / (n_workers > 1 ? 2 * n_workers : 1);
    size_t most = MIN(MAX(even, (size_t)NET_HEAD_LEAST), (size_t)NET_HEAD_MOST);
    size_t tasks = DIV_UP(DIV_UP(rows, most), n_workers) * n_workers;
    most = MIN((size_t)NET_HEAD_MOST, ALIGN_UP(DIV_UP(rows, tasks), (size_t)8));
    n->head_tile = MAX((size_t)NET_HEAD_TILE, most);
    size_t bytes = n->head_tile * columns * (n->kern->unit == 1 ? 4 : 4 + 2);
    size_t blocks = MAX((size_t)1, n->kern->cache / 3 / bytes);
    n->head_block = MIN(blocks * columns, ALIGN_UP((size_t)n->dims.V, columns));
}

static void head_init(struct net *n, int n_workers, struct arena *a)
{
    const struct kern *k = n->kern;
    size_t D = (size_t)n->dims.D;
    size_t V = (size_t)n->dims.V;
    size_t rows = n->max_rows;
    linear_init(&n->head, V, D, n->keep && k->unit > 1, k, a);
    n->x_final = floats(a, rows, D);
    n->rstd_final = floats(a, rows, 1);
    operand_init(&n->hidden, k, rows, D, (struct operand_use){.keep_floats = true}, a);
    bool many =
        rows >= 8 * (size_t)NET_HEAD_ROWS || (rows >= 4 * (size_t)NET_HEAD_ROWS && V <= 5000);
    n->head_rows = many ? 2 * NET_HEAD_ROWS : NET_HEAD_ROWS;
    operand_init(&n->logits, k, MIN(rows, n->head_rows), V,
                 (struct operand_use){.keep_columns = n->keep}, a);
    head_cut(n, (size_t)n_workers);
    size_t numbers = NET_HEAD_TILE * MAX(D, V);
    if (n->keep)
        numbers = MAX(numbers, n->head_tile * (D + n->head_block));
    operand_scratch_init(&n->head_scratch, k, 1, 1, numbers, (size_t)n_workers, a);
}

/* The weights of a block pass through the second cache once for all rows of a task, which are the
 * more in f32: there the weights are twice as large, and what is computed from the rows streams
 * through anyway, while in bf16 it stays. Each worker has two tasks, at least. */
static size_t choose_task_rows(const struct kern *k, size_t max_rows, size_t n_workers)
{
    bool enough = DIV_UP(max_rows, (size_t)NET_TASK_MOST) >= 2 * n_workers;
    return k->unit == 1 && enough ? NET_TASK_MOST : NET_TILE;
}

void net_init(struct net *n, const struct dims *d, size_t max_rows, bool keep, const struct kern *k,
              int n_workers, struct arena *a)
{
    size_t D = (size_t)d->D;
    size_t H = (size_t)d->H;
    bool attends = d->heads > 0;
    *n = (struct net){.dims = *d, .kern = k, .max_rows = max_rows, .keep = keep};
    n->task_rows = choose_task_rows(k, max_rows, (size_t)n_workers);
    for (int l = 0; l < d->L; l++) {
        struct net_block *b = &n->block[l];
        bool query_key = dims_has(d, TENSOR_QUERY_KEY, l);
        mixer_of(d, l)->init(n, l, a);
        for (int i = 0; i < NET_N_LAYERS; i++) {
            int rank;
            size_t shape[3];
            if (!dims_has(d, net_layer_kind[i], l))
                continue;
            dims_shape(d, net_layer_kind[i], &rank, shape);
            linear_init(&b->linear[i], shape[0], shape[1], keep, k, a);
        }
        if (keep || l < 2)
            acts_init(&b->acts, d, max_rows, keep ? query_key : attends, a);
        else
            b->acts = n->block[l - 2].acts;
    }
    /* in the backward pass ffn_hidden and the gradients of ffn_gate and ffn_up */
    operand_scratch_init(&n->scratch, k, keep ? 3 : 1, n->task_rows,
                         MAX(MAX(2 * D, H), query_key_width(d)), (size_t)n_workers, a);
    if (attends)
        n->attend = attend_workers(d, k, false, (size_t)n_workers, a);
    if (d->embed_norm) {
        n->ones = floats(a, 1, D);
        n->rstd_embed = floats(a, max_rows, 1);
    }
    head_init(n, n_workers, a);
}

/* ---- weights --------------------------------------------------------------------------------- */

enum { PACK_ROWS = NET_TILE }; /* rows of weights that a task packs; a multiple of panels */

struct load {
    struct net *net;
    bool ternary;
};

/* The layer that a number names: block by block. */
static struct net_linear *layer_of(struct net *n, size_t number)
{
    return &n->block[number / NET_N_LAYERS].linear[number % NET_N_LAYERS];
}

static const float *masters_of(const struct net *n, size_t number)
{
    return n->params + dims_offset(&n->dims, net_layer_kind[number % NET_N_LAYERS],
                                   (int)(number / NET_N_LAYERS));
}

/* w [count][in]: rows [first, first + count) of W, whole panels. */
static void pack_rows(const struct net *n, const struct net_linear *l, const float *w, size_t first,
                      size_t count)
{
    const struct kern *k = n->kern;
    k->pack(w, count, l->n_in, 0, count, l->packed + first * DIV_UP(l->n_in, k->unit));
    if (l->own_columns && k->unit > 1)
        k->operand(w, count, l->n_in, NULL, l->own_columns + first / k->unit * l->n_in);
}

/* First the scales of the layers, each a mean over all of one, what mixers load, and the head's
 * rows. */
static void scale_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct load *job = context;
    struct net *n = job->net;
    size_t layers = NET_N_LAYERS * (size_t)n->dims.L;
    size_t mixers = layers + (size_t)n->dims.L;
    if (task >= mixers) {
        size_t first = (task - mixers) * PACK_ROWS;
        pack_rows(n, &n->head, n->embed + first * n->head.n_in, first,
                  MIN((size_t)PACK_ROWS, n->head.n_out - first));
        return;
    }
    if (task >= layers) {
        int block = (int)(task - layers);
        mixer_of(&n->dims, block)->load(n, block);
        return;
    }
    const struct net_linear *l = layer_of(n, task);
    if (l->n_out > 0)
        n->alpha[task / NET_N_LAYERS][task % NET_N_LAYERS] =
            tern_alpha(n->kern, masters_of(n, task), l->n_out * l->n_in);
}

/* Rows of a layer: quantised, then packed. */
static void load_rows(const struct load *job, size_t number, size_t first, size_t worker)
{
    const struct net *n = job->net;
    const struct net_linear *l = layer_of(job->net, number);
    size_t count = MIN((size_t)PACK_ROWS, l->n_out - first);
    const float *w = masters_of(n, number) + first * l->n_in;
    struct operand passing = {.width = l->n_in};
    float *out = operand_floats(&passing, &n->scratch, (struct span){first, count}, worker);
    if (l->own_columns && n->kern->unit == 1)
        out = (float *)(void *)(l->own_columns + first * l->n_in);
    if (job->ternary)
        memcpy(out, w, count * l->n_in * sizeof *w);
    else
        tern_quantise(n->kern, w, count * l->n_in,
                      n->alpha[number / NET_N_LAYERS][number % NET_N_LAYERS], out);
    pack_rows(n, l, out, first, count);
}

/* The widest layers come first, so that threads end together. */
static void load_task(void *context, size_t task, size_t worker)
{
    const struct load *job = context;
    struct net *n = job->net;
    for (size_t i = NET_N_LAYERS * (size_t)n->dims.L; i > 0; i--) {
        size_t n_tasks = DIV_UP(layer_of(n, i - 1)->n_out, (size_t)PACK_ROWS);
        if (task < n_tasks) {
            load_rows(job, i - 1, task * PACK_ROWS, worker);
            return;
        }
        task -= n_tasks;
    }
}

static size_t n_load_tasks(struct net *n)
{
    size_t tasks = 0;
    for (size_t i = 0; i < NET_N_LAYERS * (size_t)n->dims.L; i++)
        tasks += DIV_UP(layer_of(n, i)->n_out, (size_t)PACK_ROWS);
    return tasks;
}

void net_load(struct net *n, struct pool *p, const float *params, bool ternary)
{
    const struct dims *d = &n->dims;
    n->params = params;
    n->embed = params + dims_offset(d, TENSOR_EMBED, 0);
    n->head.columns =
        n->head.own_columns ? n->head.own_columns : (const uint32_t *)(const void *)n->embed;
    n->final_norm = params + dims_offset(d, TENSOR_FINAL_NORM, 0);
    for (int c = 0; c < d->D && d->embed_norm; c++)
        n->ones[c] = 1;
    for (int l = 0; l < d->L; l++) {
        struct net_block *b = &n->block[l];
        b->norm1 = params + dims_offset(d, TENSOR_NORM1, l);
        b->norm2 = params + dims_offset(d, TENSOR_NORM2, l);
    }
    for (size_t i = 0; i < NET_N_LAYERS * (size_t)d->L; i++) {
        struct net_linear *l = layer_of(n, i);
        l->columns = l->own_columns;
    }
    struct load job = {n, ternary};
    pool_run(p, scale_task, &job,
             (NET_N_LAYERS + 1) * (size_t)d->L + DIV_UP(n->head.n_out, (size_t)PACK_ROWS));
    pool_run(p, load_task, &job, n_load_tasks(n));
}

size_t net_zeros(const struct net *n, int block, size_t *of)
{
    size_t unit = n->kern->unit;
    size_t zeros = 0;
    *of = 0;
    for (int i = 0; i < NET_N_LAYERS; i++) {
        const struct net_linear *l = &n->block[block].linear[i];
        size_t cells = DIV_UP(l->n_out, unit) * l->n_in;
        for (size_t j = 0; j < cells; j++)
            zeros += unit == 1
                         ? l->columns[j] == 0
                         : (size_t)((l->columns[j] & 0xffff) == 0) + (l->columns[j] >> 16 == 0);
        zeros -= cells * unit - l->n_out * l->n_in; /* beyond an odd end */
        *of += l->n_out * l->n_in;
    }
    return zeros;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* y (+)= W x for the rows of a span, x being their cells by rows. Since the tile before, other
 * layers and activations have passed through the second cache. */
static void linear_forward(const struct net *n, const struct net_linear *l, const void *x,
                           struct span s, float *y, bool add)
{
    const struct kern *k = n->kern;
    size_t cells = DIV_UP(l->n_in, k->unit);
    k->product(s.count, l->n_out, cells, x, cells, 1, (struct kern_b){l->packed, 0, true},
               y + s.first * l->n_out, l->n_out, add);
}

void net_norm(const struct net *n, const float *x, const float *scale, struct span s, size_t worker,
              const struct operand *y, float *rstd)
{
    size_t D = (size_t)n->dims.D;
    float *out = operand_floats(y, &n->scratch, s, worker);
    for (size_t i = 0; i < s.count; i++)
        n->kern->rmsnorm(x + (s.first + i) * D, scale, D, DIMS_NORM_EPS, out + i * D, &rstd[i]);
}

/* rmsnorm(x, scale) as cells by rows. */
static const void *norm_forward(const struct net *n, const float *x, const float *scale,
                                struct span s, size_t worker)
{
    struct operand passing = {.width = (size_t)n->dims.D};
    float rstd[NET_TASK_MOST];
    net_norm(n, x, scale, s, worker, &passing, rstd);
    return operand_pack(&passing, n->kern, &n->scratch, s, worker);
}

/* The mixer before rows look at each other: x to gate and value and, of attention, query and key.
 */
static void mixer_in_forward(const struct net *n, int block, struct span s, size_t worker)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    const void *norm1 = norm_forward(n, t->x, b->norm1, s, worker);
    linear_forward(n, &b->linear[NET_MIXER_UP], norm1, s, t->gate_value, false);
    if (b->linear[NET_QUERY_KEY].n_out > 0)
        linear_forward(n, &b->linear[NET_QUERY_KEY], norm1, s, t->query_key, false);
}

/* mid = x + mixer_down (mix * sigmoid(gate)). */
static void mixer_out_forward(const struct net *n, int block, struct span s, size_t worker)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    size_t D = (size_t)n->dims.D;
    struct operand passing = {.width = D};
    float *mixed = operand_floats(&passing, &n->scratch, s, worker);
    for (size_t r = s.first; r < s.first + s.count; r++, mixed += D)
        n->kern->gate(t->mix + r * D, t->gate_value + r * 2 * D, D, mixed);
    memcpy(t->mid + s.first * D, t->x + s.first * D, s.count * D * sizeof(float));
    linear_forward(n, &b->linear[NET_MIXER_DOWN],
                   operand_pack(&passing, n->kern, &n->scratch, s, worker), s, t->mid, true);
}

/* out = mid + ffn_down (silu(ffn_gate n) * (ffn_up n)), n = rmsnorm(mid, norm2). */
static void ffn_forward(const struct net *n, int block, struct span s, size_t worker, float *out)
{
    const struct net_block *b = &n->block[block];
    const struct net_acts *t = &b->acts;
    size_t D = (size_t)n->dims.D;
    size_t H = (size_t)n->dims.H;
    struct operand hidden = {.width = H};
    const void *norm2 = norm_forward(n, t->mid, b->norm2, s, worker);
    linear_forward(n, &b->linear[NET_FFN_GATE], norm2, s, t->ffn_gate, false);
    linear_forward(n, &b->linear[NET_FFN_UP], norm2, s, t->ffn_up, false);
    n->kern->swiglu(t->ffn_gate + s.first * H, t->ffn_up + s.first * H, s.count * H,
                    operand_floats(&hidden, &n->scratch, s, worker));
    memcpy(out + s.first * D, t->mid + s.first * D, s.count * D * sizeof(float));
    linear_forward(n, &b->linear[NET_FFN_DOWN],
                   operand_pack(&hidden, n->kern, &n->scratch, s, worker), s, out, true);
}

/* What is left of a block after mixer_in_forward of all rows. */
static void block_forward(const struct net *n, int block, const uint32_t *pos, struct span s,
                          size_t worker, float *out)
{
    mixer_of(&n->dims, block)->forward(n, block, pos, s, worker);
    mixer_out_forward(n, block, s, worker);
    ffn_forward(n, block, s, worker, out);
}

struct forward {
    struct net *net;
    const uint16_t *tokens;
    const uint32_t *pos;
    size_t rows;
    int block; /* whose input is next; L: the final norm */
};

/* x of the first block. */
static void embed_forward(const struct net *n, const uint16_t *tokens, struct span s)
{
    size_t D = (size_t)n->dims.D;
    for (size_t r = s.first; r < s.first + s.count; r++) {
        float *x = n->block[0].acts.x + r * D;
        const float *row = n->embed + tokens[r] * D;
        if (n->dims.embed_norm)
            n->kern->rmsnorm(row, n->ones, D, DIMS_NORM_EPS, x, &n->rstd_embed[r]);
        else
            memcpy(x, row, D * sizeof *x);
    }
}

static void forward_task(void *context, size_t task, size_t worker)
{
    const struct forward *f = context;
    const struct net *n = f->net;
    size_t first = task * n->task_rows;
    struct span s = {first, MIN(n->task_rows, f->rows - first)};
    bool last = f->block == n->dims.L;
    if (f->block == 0)
        embed_forward(n, f->tokens, s);
    else
        block_forward(n, f->block - 1, f->pos, s, worker,
                      last ? n->x_final : n->block[f->block].acts.x);
    if (last)
        net_norm(n, n->x_final, n->final_norm, s, worker, &n->hidden, n->rstd_final + s.first);
    else
        mixer_in_forward(n, f->block, s, worker);
}

void net_forward(struct net *n, struct pool *p, const uint16_t *tokens, const uint32_t *pos,
                 size_t rows)
{
    struct forward f = {.net = n, .tokens = tokens, .pos = pos, .rows = rows};
    for (f.block = 0; f.block <= n->dims.L; f.block++)
        pool_run(p, forward_task, &f, DIV_UP(rows, n->task_rows));
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
    const struct head *h = context;
    const struct net *n = h->net;
    size_t V = (size_t)n->dims.V;
    struct span s = {task * NET_HEAD_TILE,
                     MIN((size_t)NET_HEAD_TILE, h->count - task * NET_HEAD_TILE)};
    float *logits = operand_floats(&n->logits, &n->head_scratch, s, worker);
    net_logits(n, h->first + s.first, s.count, worker, logits);
    for (size_t r = 0; r < s.count; r++) {
        size_t row = h->first + s.first + r;
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

void net_logits(const struct net *n, size_t first, size_t count, size_t worker, float *out)
{
    const struct kern *k = n->kern;
    size_t D = (size_t)n->dims.D;
    size_t cells = DIV_UP(D, k->unit);
    for (size_t r = 0; r < count; r += NET_HEAD_TILE) {
        size_t rows = MIN(count - r, (size_t)NET_HEAD_TILE);
        const void *hidden = n->hidden.floats + (first + r) * D;
        if (k->unit > 1) {
            uint32_t *by_rows = n->head_scratch.cells + worker * n->head_scratch.size;
            k->operand(hidden, rows, D, by_rows, NULL);
            hidden = by_rows;
        }
        k->product(rows, n->head.n_out, cells, hidden, cells, 1,
                   (struct kern_b){n->head.packed, 0, true}, out + r * n->head.n_out, n->head.n_out,
                   false);
    }
}
