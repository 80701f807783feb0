#include "train/loss.h"

#include <string.h>

#include "base/fmath.h"

enum {
    EMBED_TILE = 48,   /* vocabulary rows of one task of the embedding's gradient */
    ROW_STEP = 16,     /* cells of a row at a time */
    FILTER_BLOCK = 512 /* cells of a row of powers that are left out together */
};

struct chunk {
    struct loss *loss;
    const uint16_t *targets;
    float scale;
    float *d_embed;
    size_t first; /* row of logits[0] */
    size_t count;
};

void loss_init(struct loss *l, struct net *n, struct arena *a)
{
    size_t rows = n->max_rows;
    size_t D = (size_t)n->dims.D;
    *l = (struct loss){.net = n};
    l->nll = arena_alloc(a, rows, sizeof(float));
    l->d_hidden = arena_alloc(a, rows * D, sizeof(float));
    operand_init(&l->weighed, n->kern, rows, D, (struct operand_use){.keep_columns = true}, a);
}

static void scaled_copy(const float *x, float factor, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = factor * x[i];
}

/* d_hidden = factor * d_hidden - scale * E[target] */
static void finish_row(float *d_hidden, float factor, const float *embed, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d_hidden[i] = factor * d_hidden[i] - scale * embed[i];
}

/* y -= factor * x. A loop whose length is known becomes vectors, which matters where a few frequent
 * tokens are the targets of most rows. */
static void subtract_scaled(float factor, const float *restrict x, size_t n, float *restrict y)
{
    size_t i = 0;
    for (; i + ROW_STEP <= n; i += ROW_STEP)
        for (size_t j = i; j < i + ROW_STEP; j++)
            y[j] -= factor * x[j];
    for (; i < n; i++)
        y[i] -= factor * x[i];
}

/* True if any power of the block's columns reaches its row's threshold. A cell's larger half, as an
 * integer, orders positive bf16 numbers; a float orders itself the same way. */
static bool block_counts(const uint32_t *powers, size_t cells, size_t first, size_t count,
                         size_t rows, const float *threshold, bool halves)
{
    for (size_t r = 0; r < rows; r++) {
        uint32_t least;
        uint32_t largest = 0;
        memcpy(&least, &threshold[r], sizeof least);
        for (size_t i = first; i < first + count; i++) {
            uint32_t cell = powers[r * cells + i];
            uint32_t high = halves ? MAX(cell & 0xffff0000u, cell << 16) : cell;
            largest = MAX(largest, high);
        }
        if (largest >= least)
            return true;
    }
    return false;
}

/* d_hidden [rows][D] = powers E, without the blocks that the filter leaves out. */
static void hidden_product(const struct loss *l, const uint32_t *powers, size_t rows,
                           const float *sum, float *d_hidden)
{
    const struct net *n = l->net;
    const struct kern *k = n->kern;
    size_t D = (size_t)n->dims.D;
    size_t cells = DIV_UP((size_t)n->dims.V, k->unit);
    size_t block = l->filter > 0 ? FILTER_BLOCK : cells;
    const uint32_t *embed = n->head.columns;
    float threshold[NET_HEAD_TILE];
    bool any = false;
    for (size_t r = 0; r < rows; r++)
        threshold[r] = l->filter * sum[r];
    for (size_t i = 0; i < cells; i += block) {
        size_t count = MIN(block, cells - i);
        if (l->filter > 0 && !block_counts(powers, cells, i, count, rows, threshold, k->unit > 1))
            continue;
        k->product(rows, D, count, powers + i, cells, 1, (struct kern_b){embed + i * D, D, true},
                   d_hidden, D, any);
        any = true;
    }
    if (!any)
        memset(d_hidden, 0, rows * D * sizeof *d_hidden);
}

/* A few rows: logits, their powers, loss, and the rows' own gradient. */
static void rows_task(void *context, size_t task, size_t worker)
{
    const struct chunk *h = context;
    const struct loss *l = h->loss;
    const struct net *n = l->net;
    const struct kern *k = n->kern;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    struct span s = {task * NET_HEAD_TILE,
                     MIN((size_t)NET_HEAD_TILE, h->count - task * NET_HEAD_TILE)};
    struct span all = {h->first + s.first, s.count}; /* the same rows in the whole batch */
    float max[NET_HEAD_TILE], sum[NET_HEAD_TILE], at_target[NET_HEAD_TILE];
    float *logits = operand_floats(&n->logits, &n->head_scratch, s, worker);
    net_logits(n, all.first, s.count, worker, logits);
    for (size_t r = 0; r < s.count; r++)
        at_target[r] = logits[r * V + h->targets[all.first + r]];
    struct operand_forms powers = operand_forms(&n->logits, k, &n->head_scratch, s, worker);
    k->softmax(logits, s.count, V, max, sum, powers.rows, powers.columns);
    float *d_hidden = l->d_hidden + all.first * D;
    hidden_product(l, powers.rows, s.count, sum, d_hidden);
    float *weighed = operand_floats(&l->weighed, &n->head_scratch, all, worker);
    for (size_t r = 0; r < s.count; r++) {
        size_t row = all.first + r;
        float factor = h->scale / sum[r];
        l->nll[row] = max[r] + (float)fmath_log((double)sum[r]) - at_target[r];
        scaled_copy(n->hidden.floats + row * D, factor, D, weighed + r * D);
        finish_row(d_hidden + r * D, factor, n->head.w + h->targets[row] * D, h->scale, D);
    }
    operand_pack(&l->weighed, k, &n->head_scratch, all, worker);
}

/* `count` vocabulary rows, over NET_HEAD_ROWS token rows of the chunk. */
static void embed_rows(const struct chunk *h, size_t first, size_t count, struct span rows)
{
    const struct loss *l = h->loss;
    const struct net *n = l->net;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    size_t unit = n->kern->unit;
    const uint32_t *powers = n->logits.columns;
    const uint32_t *weighed = l->weighed.columns;
    size_t begin = h->first + rows.first;
    n->kern->product(count, D, DIV_UP(rows.count, unit), powers + rows.first / unit * V + first, 1,
                     V, (struct kern_b){weighed + begin / unit * D, D, true},
                     h->d_embed + first * D, D, begin > 0);
    for (size_t row = begin; row < begin + rows.count; row++) {
        size_t target = h->targets[row];
        if (target - first < count) /* wraps below first */
            subtract_scaled(h->scale, n->hidden.floats + row * D, D, h->d_embed + target * D);
    }
}

static void embed_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct chunk *h = context;
    size_t first = task * EMBED_TILE;
    size_t count = MIN((size_t)EMBED_TILE, (size_t)h->loss->net->dims.V - first);
    for (size_t row = 0; row < h->count; row += NET_HEAD_ROWS)
        embed_rows(h, first, count, (struct span){row, MIN((size_t)NET_HEAD_ROWS, h->count - row)});
}

static struct chunk chunk_of(struct loss *l, const struct loss_rows *r, float *d_embed)
{
    return (struct chunk){.loss = l,
                          .targets = r->targets,
                          .scale = r->scale,
                          .d_embed = d_embed,
                          .first = r->first,
                          .count = MIN(l->net->head_rows, r->rows - r->first)};
}

void loss_hidden(struct loss *l, struct pool *p, const struct loss_rows *r)
{
    struct chunk h = chunk_of(l, r, NULL);
    pool_run(p, rows_task, &h, DIV_UP(h.count, (size_t)NET_HEAD_TILE));
}

void loss_embed(struct loss *l, struct pool *p, const struct loss_rows *r, float *d_embed)
{
    struct chunk h = chunk_of(l, r, d_embed);
    pool_run(p, embed_task, &h, DIV_UP((size_t)l->net->dims.V, (size_t)EMBED_TILE));
}
