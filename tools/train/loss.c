#include "train/loss.h"

#include <string.h>

#include "base/fmath.h"

enum {
    EMBED_TILE = 48, /* vocabulary rows of one task of the embedding's gradient, at least, */
    EMBED_MOST = 4,  /* at most so many times as many, */
    EMBED_TASKS = 8, /* as long as each thread has so many tasks: all of a task's rows of E are
                        made of the same rows of tokens, which pass through the second cache */
    ROW_STEP = 16,   /* cells of a row at a time */
    FILTER_ROWS = 8  /* whose powers of KERN_SUM_COLUMNS tokens are left out together */
};

struct chunk {
    struct loss *loss;
    const uint16_t *targets;
    float scale;
    float *d_embed;
    bool add;     /* to d_embed, from the first row on */
    size_t first; /* row of logits[0] */
    size_t count;
};

void loss_init(struct loss *l, struct net *n, int n_workers, struct arena *a)
{
    size_t rows = n->max_rows;
    size_t D = (size_t)n->dims.D;
    size_t tiles = (size_t)n->dims.V / EMBED_TILE / (EMBED_TASKS * (size_t)n_workers);
    *l = (struct loss){.net = n};
    l->embed_rows = EMBED_TILE * MAX((size_t)1, MIN(tiles, (size_t)EMBED_MOST));
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

/* True if any of the powers [rows][count], stride cells apart, reaches its row's threshold. A
 * cell's larger half, as an integer, orders positive bf16 numbers; a float orders itself the same
 * way. */
static bool any_counts(const uint32_t *powers, size_t stride, size_t rows, size_t count,
                       const float *threshold, bool halves)
{
    for (size_t r = 0; r < rows; r++) {
        uint32_t least;
        uint32_t largest = 0;
        memcpy(&least, &threshold[r], sizeof least);
        for (size_t i = 0; i < count; i++) {
            uint32_t cell = powers[r * stride + i];
            uint32_t high = halves ? MAX(cell & 0xffff0000u, cell << 16) : cell;
            largest = MAX(largest, high);
        }
        if (largest >= least)
            return true;
    }
    return false;
}

/* A task's rows on their way through the vocabulary. */
struct tile {
    const struct chunk *chunk;
    struct span rows; /* of the chunk */
    size_t worker;
    const uint32_t *hidden; /* their cells by rows */
    float level[NET_HEAD_MOST];
    float sum[NET_HEAD_MOST];
    float at_target[NET_HEAD_MOST];
};

/* Columns [first, first + count) of the rows' logits, then of their powers. */
struct block {
    size_t first;
    size_t count;
    float *x; /* the logits; in f32 the powers too */
    size_t stride;
    const uint32_t *powers; /* by rows */
    size_t powers_stride;
};

static struct block logits_of(const struct tile *t, size_t first, size_t count)
{
    const struct net *n = t->chunk->loss->net;
    const struct kern *k = n->kern;
    size_t cells = DIV_UP((size_t)n->dims.D, k->unit);
    struct block b = {.first = first, .count = count};
    if (k->unit == 1) {
        b.stride = (size_t)n->dims.V;
        b.x = n->logits.floats + t->rows.first * b.stride + first;
    } else {
        b.stride = count;
        b.x = operand_floats(&n->logits, &n->head_scratch, t->rows, t->worker);
    }
    k->product(t->rows.count, count, cells, t->hidden, cells, 1,
               (struct kern_b){n->head.packed + first * cells, 0, true}, b.x, b.stride, false);
    return b;
}

static void powers_of(struct tile *t, struct block *b)
{
    const struct net *n = t->chunk->loss->net;
    const struct kern *k = n->kern;
    size_t V = (size_t)n->dims.V;
    if (k->unit == 1) {
        k->powers(b->x, b->stride, t->rows.count, b->count, t->level, t->sum, NULL, NULL, 0);
        b->powers = (const uint32_t *)(const void *)b->x;
        b->powers_stride = b->stride;
        return;
    }
    uint32_t *rows = n->head_scratch.cells + t->worker * n->head_scratch.size +
                     n->head_tile * DIV_UP((size_t)n->dims.D, k->unit);
    uint32_t *columns = (uint32_t *)n->logits.columns + t->rows.first / k->unit * V + b->first;
    k->powers(b->x, b->stride, t->rows.count, b->count, t->level, t->sum, rows, columns, V);
    b->powers = rows;
    b->powers_stride = DIV_UP(b->count, k->unit);
}

/* d_hidden [rows][D] += powers E. */
static void hidden_rows(const struct tile *t, const struct block *b, size_t first, size_t count)
{
    const struct loss *l = t->chunk->loss;
    const struct net *n = l->net;
    const struct kern *k = n->kern;
    size_t D = (size_t)n->dims.D;
    const uint32_t *embed = n->head.columns + b->first / k->unit * D;
    k->product(count, D, DIV_UP(b->count, k->unit), b->powers + first * b->powers_stride,
               b->powers_stride, 1, (struct kern_b){embed, D, true},
               l->d_hidden + (t->chunk->first + t->rows.first + first) * D, D, true);
}

/* The same without the rows that the filter leaves out. Of their sums this much is known. */
static void filtered_rows(const struct tile *t, const struct block *b)
{
    const struct loss *l = t->chunk->loss;
    size_t unit = l->net->kern->unit;
    float threshold[FILTER_ROWS];
    for (size_t first = 0; first < t->rows.count; first += FILTER_ROWS) {
        size_t count = MIN((size_t)FILTER_ROWS, t->rows.count - first);
        for (size_t r = 0; r < count; r++)
            threshold[r] = l->filter * t->sum[first + r];
        if (any_counts(b->powers + first * b->powers_stride, b->powers_stride, count,
                       DIV_UP(b->count, unit), threshold, unit > 1))
            hidden_rows(t, b, first, count);
    }
}

/* From the logits to their powers, which add to sum and d_hidden. Each row's level is the largest
 * of its first KERN_SUM_COLUMNS logits, unless `levels` are there already. */
static void through_vocabulary(struct tile *t, bool levels)
{
    const struct chunk *h = t->chunk;
    const struct net *n = h->loss->net;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    size_t width = h->loss->filter > 0 ? (size_t)KERN_SUM_COLUMNS : n->head_block;
    const uint16_t *targets = h->targets + h->first + t->rows.first;
    memset(t->sum, 0, sizeof t->sum);
    memset(h->loss->d_hidden + (h->first + t->rows.first) * D, 0,
           t->rows.count * D * sizeof(float));
    for (size_t first = 0; first < V; first += width) {
        struct block b = logits_of(t, first, MIN(width, V - first));
        for (size_t r = 0; r < t->rows.count; r++) {
            const float *x = b.x + r * b.stride;
            if (first == 0 && !levels)
                t->level[r] = n->kern->maximum(x, MIN((size_t)KERN_SUM_COLUMNS, V));
            if (targets[r] - first < b.count) /* wraps below first */
                t->at_target[r] = x[targets[r] - first];
        }
        powers_of(t, &b);
        if (h->loss->filter > 0)
            filtered_rows(t, &b);
        else
            hidden_rows(t, &b, 0, t->rows.count);
    }
}

static bool too_low(const struct tile *t, size_t row)
{
    return !(t->sum[row] <= KERN_SUM_LIMIT);
}

/* Rare: where a level was too low, the largest of all logits becomes the level. True if one was. */
static bool raise_levels(struct tile *t)
{
    const struct net *n = t->chunk->loss->net;
    size_t V = (size_t)n->dims.V;
    bool any = false;
    for (size_t r = 0; r < t->rows.count; r++)
        any |= too_low(t, r);
    for (size_t first = 0; any && first < V; first += n->head_block) {
        struct block b = logits_of(t, first, MIN(n->head_block, V - first));
        for (size_t r = 0; r < t->rows.count; r++) {
            float most = n->kern->maximum(b.x + r * b.stride, b.count);
            if (too_low(t, r) && most > t->level[r])
                t->level[r] = most;
        }
    }
    return any;
}

/* The rows' cells, which stay where they are until their powers have been used. */
static const uint32_t *hidden_cells(const struct net *n, struct span all, size_t worker)
{
    const float *hidden = n->hidden.floats + all.first * (size_t)n->dims.D;
    if (n->kern->unit == 1)
        return (const uint32_t *)(const void *)hidden;
    uint32_t *cells = n->head_scratch.cells + worker * n->head_scratch.size;
    n->kern->operand(hidden, all.count, (size_t)n->dims.D, cells, NULL);
    return cells;
}

/* A tile of rows: logits, their powers, loss, and the rows' own gradient. */
static void rows_task(void *context, size_t task, size_t worker)
{
    const struct chunk *h = context;
    const struct loss *l = h->loss;
    const struct net *n = l->net;
    size_t D = (size_t)n->dims.D;
    size_t first = task * n->head_tile;
    struct tile t = {
        .chunk = h, .rows = {first, MIN(n->head_tile, h->count - first)}, .worker = worker};
    struct span all = {h->first + first, t.rows.count}; /* the same rows in the whole batch */
    t.hidden = hidden_cells(n, all, worker);
    through_vocabulary(&t, false);
    if (raise_levels(&t))
        through_vocabulary(&t, true);
    float *weighed = operand_floats(&l->weighed, &n->head_scratch, all, worker);
    for (size_t r = 0; r < t.rows.count; r++) {
        size_t row = all.first + r;
        float factor = h->scale / t.sum[r];
        l->nll[row] = t.level[r] + (float)fmath_log((double)t.sum[r]) - t.at_target[r];
        scaled_copy(n->hidden.floats + row * D, factor, D, weighed + r * D);
        finish_row(l->d_hidden + row * D, factor, n->embed + h->targets[row] * D, h->scale, D);
    }
    operand_pack(&l->weighed, n->kern, &n->head_scratch, all, worker);
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
                     h->d_embed + first * D, D, h->add || begin > 0);
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
    size_t first = task * h->loss->embed_rows;
    size_t count = MIN(h->loss->embed_rows, (size_t)h->loss->net->dims.V - first);
    for (size_t row = 0; row < h->count; row += NET_HEAD_ROWS)
        embed_rows(h, first, count, (struct span){row, MIN((size_t)NET_HEAD_ROWS, h->count - row)});
}

static struct chunk chunk_of(struct loss *l, const struct loss_rows *r, float *d_embed)
{
    return (struct chunk){.loss = l,
                          .targets = r->targets,
                          .scale = r->scale,
                          .d_embed = d_embed,
                          .add = r->add,
                          .first = r->first,
                          .count = MIN(l->net->head_rows, r->rows - r->first)};
}

void loss_hidden(struct loss *l, struct pool *p, const struct loss_rows *r)
{
    struct chunk h = chunk_of(l, r, NULL);
    pool_run(p, rows_task, &h, DIV_UP(h.count, l->net->head_tile));
}

void loss_embed(struct loss *l, struct pool *p, const struct loss_rows *r, float *d_embed)
{
    struct chunk h = chunk_of(l, r, d_embed);
    pool_run(p, embed_task, &h, DIV_UP((size_t)l->net->dims.V, l->embed_rows));
}
