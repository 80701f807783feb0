#include "train/ortho.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    BLOCK =
        32,   /* rows of a symmetric matrix that a task computes; columns end at multiples of it */
    LOAD = 64 /* rows of X that a task loads or computes: whole panels of every kernel */
};

/* ---- memory ---------------------------------------------------------------------------------- */

void ortho_init(struct ortho *m, size_t rows, size_t cols, size_t n, const struct kern *k,
                struct arena *a)
{
    size_t u = k->unit;
    *m = (struct ortho){.rows = rows,
                        .cols = cols,
                        .side = MIN(rows, cols),
                        .depth = MAX(rows, cols),
                        .wide = rows < cols};
    assert(LOAD % k->panel == 0);
    m->by_rows = arena_alloc(a, rows * DIV_UP(cols, u), sizeof(uint32_t));
    m->by_columns = m->by_rows;
    if (u > 1) {
        m->by_columns = arena_alloc(a, DIV_UP(rows, u) * cols, sizeof(uint32_t));
        m->a_blocks = arena_alloc(a, m->side * m->side, sizeof(float));
    }
    if (m->wide)
        m->packed =
            arena_alloc(a, kern_packed_cells(k, DIV_UP(m->depth, u), m->side), sizeof(uint32_t));
    if (n > ORTHO_STAGE)
        m->next = arena_alloc(a, rows * cols, sizeof(float));
    m->sums = arena_alloc(a, DIV_UP(rows, (size_t)LOAD), sizeof *m->sums);
    uint32_t **symmetric[] = {&m->a, &m->ap, &m->p[0], &m->p[1], &m->q};
    for (size_t i = 0; i < ARRAY_LEN(symmetric); i++)
        *symmetric[i] = arena_alloc(a, DIV_UP(m->side, u) * m->side, sizeof(uint32_t));
}

size_t ortho_spare(size_t rows, size_t cols)
{
    size_t side = MIN(rows, cols);
    return MAX(LOAD * cols, BLOCK * (side + DIV_UP(side, (size_t)2)));
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Round number `number` of a stage; false if it has ended by then, and its rounds are taken off. */
static bool round_of_stage(struct ortho_round *r, size_t *number)
{
    enum ortho_what what[3 * ORTHO_STAGE + 3] = {ORTHO_LOAD, ORTHO_GRAM};
    size_t of[3 * ORTHO_STAGE + 3] = {0};
    size_t n = 2;
    for (size_t i = 0; i < r->size; i++) {
        bool more = i + 1 < r->size;
        of[n] = of[n + 1] = of[n + 2] = i;
        what[n++] = ORTHO_P;
        if (more || i > 0)
            what[n++] = !more ? ORTHO_QP : i > 0 ? ORTHO_AP_QP : ORTHO_AP;
        if (more)
            what[n++] = ORTHO_APP;
    }
    what[n++] = ORTHO_RESULT;
    if (*number >= n) {
        *number -= n;
        return false;
    }
    r->what = what[*number];
    r->i = of[*number];
    return true;
}

struct ortho_round ortho_round(size_t n, size_t number)
{
    struct ortho_round r = {.what = ORTHO_NOTHING};
    for (; r.done < n; r.done += r.size) {
        r.size = MIN((size_t)ORTHO_STAGE, n - r.done);
        r.last = r.done + r.size == n;
        if (round_of_stage(&r, &number))
            break;
    }
    return r;
}

size_t ortho_tasks(const struct ortho *m, const struct ortho_round *r)
{
    size_t n_blocks = DIV_UP(m->side, (size_t)BLOCK);
    switch (r->what) {
    case ORTHO_LOAD:
    case ORTHO_RESULT:
        return DIV_UP(m->rows, (size_t)LOAD);
    case ORTHO_AP_QP:
        return 2 * n_blocks;
    case ORTHO_NOTHING:
        return 0;
    default:
        return n_blocks;
    }
}

/* Of the products; the rest is little. */
double ortho_flops(size_t rows, size_t cols, size_t n)
{
    size_t side = MIN(rows, cols);
    double sum = 0;
    double half = 0; /* numbers of a symmetric matrix that are computed */
    for (size_t first = 0; first < side; first += BLOCK) {
        size_t end = MIN(first + BLOCK, side);
        half += (double)((end - first) * end);
    }
    for (size_t i = 0; ortho_round(n, i).what != ORTHO_NOTHING; i++) {
        enum ortho_what what = ortho_round(n, i).what;
        double depth = (double)(what == ORTHO_GRAM ? MAX(rows, cols) : side);
        if (what == ORTHO_RESULT)
            sum += 2 * (double)rows * (double)cols * depth;
        else if (what != ORTHO_LOAD)
            sum += (what == ORTHO_AP_QP ? 2 : 1) * 2 * half * depth;
    }
    return sum;
}

struct ortho_rows ortho_rows(const struct ortho *m, size_t task)
{
    size_t first = task * LOAD;
    return (struct ortho_rows){first, MIN((size_t)LOAD, m->rows - first)};
}

/* ---- X --------------------------------------------------------------------------------------- */

float *ortho_input(const struct ortho *m, const struct kern *k, size_t task, float *spare)
{
    size_t first = ortho_rows(m, task).first;
    return k->unit > 1 ? spare : (float *)(void *)m->by_rows + first * m->cols;
}

static void load(const struct ortho *m, const struct kern *k, const struct ortho_round *round,
                 size_t task, float *spare)
{
    struct ortho_rows r = ortho_rows(m, task);
    size_t n = r.count * m->cols;
    float *x = ortho_input(m, k, task, spare);
    if (round->done == 0)
        m->sums[task] = k->sum_sq(x, n);
    else
        memcpy(x, m->next + r.first * m->cols, n * sizeof *x);
    if (k->unit > 1)
        k->operand(x, r.count, m->cols, m->by_rows + r.first * DIV_UP(m->cols, k->unit),
                   m->by_columns + r.first / k->unit * m->cols);
    if (m->wide)
        k->pack(x, r.count, m->cols, 0, r.count, m->packed + r.first * DIV_UP(m->cols, k->unit));
}

/* 1 / (1.02 |Y| + 1e-6); 1 after the first stage. */
static float scale_of(const struct ortho *m, const struct ortho_round *round)
{
    double sum = 0;
    for (size_t i = 0; i < DIV_UP(m->rows, (size_t)LOAD); i++)
        sum += m->sums[i];
    return round->done > 0 ? 1 : (float)(1 / (1.02 * sqrt(sum) + 1e-6));
}

/* Q after the stage's iteration i: P itself after the first. */
static uint32_t *q_after(const struct ortho *m, size_t i)
{
    return i == 0 ? m->p[0] : i == 1 ? m->q : m->p[1];
}

static const float *result(const struct ortho *m, const struct kern *k,
                           const struct ortho_round *round, size_t task, float *spare)
{
    struct ortho_rows r = ortho_rows(m, task);
    const uint32_t *q = q_after(m, round->size - 1);
    size_t depth = DIV_UP(m->side, k->unit);
    size_t n = r.count * m->cols;
    float *out = round->last ? spare : m->next + r.first * m->cols;
    if (m->wide)
        k->product(r.count, m->cols, depth, q + r.first, 1, m->side,
                   (struct kern_b){m->by_columns, m->cols, false}, out, m->cols, false);
    else
        k->product(r.count, m->cols, depth, m->by_rows + r.first * depth, depth, 1,
                   (struct kern_b){q, m->side, false}, out, m->cols, false);
    if (round->done == 0)
        k->axpby(scale_of(m, round), out, 0, n, out);
    return round->last ? out : NULL;
}

/* ---- symmetric matrices ---------------------------------------------------------------------- */

/* Rows [first, first + rows) of a symmetric matrix, columns [0, cols). */
struct block {
    size_t first, rows, cols;
    float *x; /* its numbers before they are an operand */
    size_t stride;
};

/* Which block a task computes. The last blocks are the longest and come first, so that threads end
 * together. */
static size_t block_of_task(const struct ortho *m, size_t task)
{
    size_t n_blocks = DIV_UP(m->side, (size_t)BLOCK);
    return n_blocks - 1 - task % n_blocks;
}

/* A block: in f32 where it belongs in `cells`, else in `floats`. */
static struct block block_of(const struct ortho *m, const struct kern *k, size_t block,
                             uint32_t *cells, float *floats)
{
    struct block b = {.first = block * BLOCK};
    b.rows = MIN((size_t)BLOCK, m->side - b.first);
    b.cols = b.first + b.rows;
    b.stride = k->unit > 1 ? b.cols : m->side;
    b.x = k->unit > 1 ? floats : (float *)(void *)cells + b.first * m->side;
    return b;
}

static struct block block_of_a(const struct ortho *m, const struct kern *k, size_t block)
{
    return block_of(m, k, block, m->a, m->a_blocks + block * BLOCK * m->side);
}

/* Makes a block part of its operand: as rows, and what is left of the diagonal as columns too. */
static void store(const struct ortho *m, const struct kern *k, const struct block *b,
                  uint32_t *cells, uint32_t *spare)
{
    size_t u = k->unit;
    if (u == 1) {
        k->transpose((uint32_t *)(void *)b->x, b->stride, b->rows, b->first, cells + b->first,
                     m->side);
        return;
    }
    for (size_t r = 0; r < b->rows; r += u)
        k->operand(b->x + r * b->stride, MIN(u, b->rows - r), b->cols, NULL,
                   cells + (b->first + r) / u * m->side);
    if (b->first > 0) {
        k->operand(b->x, b->rows, b->cols, spare, NULL);
        k->transpose(spare, DIV_UP(b->cols, u), b->rows, b->first / u, cells + b->first, m->side);
    }
}

/* A block of the product of two that commute. */
static void multiply(const struct ortho *m, const struct kern *k, const struct block *b,
                     const uint32_t *left, const uint32_t *right)
{
    k->product(b->rows, b->cols, DIV_UP(m->side, k->unit), left + b->first, 1, m->side,
               (struct kern_b){right, m->side, false}, b->x, b->stride, false);
}

static void gram(const struct ortho *m, const struct kern *k, const struct ortho_round *round,
                 size_t block, uint32_t *spare)
{
    struct block b = block_of_a(m, k, block);
    size_t depth = DIV_UP(m->depth, k->unit);
    if (m->wide)
        k->product(b.rows, b.cols, depth, m->by_rows + b.first * depth, depth, 1,
                   (struct kern_b){m->packed, 0, false}, b.x, b.stride, false);
    else
        k->product(b.rows, b.cols, depth, m->by_columns + b.first, 1, m->cols,
                   (struct kern_b){m->by_columns, m->cols, false}, b.x, b.stride, false);
    float scale = scale_of(m, round);
    for (size_t r = 0; round->done == 0 && r < b.rows; r++)
        k->axpby(scale * scale, b.x + r * b.stride, 0, b.cols, b.x + r * b.stride);
    store(m, k, &b, m->a, spare);
}

static void polynomial(const struct ortho *m, const struct kern *k, const struct ortho_round *round,
                       size_t block, float *floats, uint32_t *spare)
{
    const float c0 = 3.4445f;
    const float c1 = -4.7750f;
    const float c2 = 2.0315f;
    struct block a = block_of_a(m, k, block);
    struct block b = block_of(m, k, block, m->p[round->i % 2], floats);
    multiply(m, k, &b, m->a, m->a);
    for (size_t r = 0; r < b.rows; r++) {
        float *row = b.x + r * b.stride;
        k->axpby(c1, a.x + r * a.stride, c2, b.cols, row);
        row[b.first + r] += c0;
    }
    store(m, k, &b, m->p[round->i % 2], spare);
}

const float *ortho_run(const struct ortho *m, const struct kern *k, const struct ortho_round *round,
                       size_t task, float *spare)
{
    size_t n_blocks = DIV_UP(m->side, (size_t)BLOCK);
    size_t block = block_of_task(m, task);
    const uint32_t *p = m->p[round->i % 2];
    uint32_t *cells = (uint32_t *)(void *)(spare + BLOCK * m->side);
    struct block b;
    switch (round->what) {
    case ORTHO_LOAD:
        load(m, k, round, task, spare);
        break;
    case ORTHO_GRAM:
        gram(m, k, round, block, cells);
        break;
    case ORTHO_P:
        polynomial(m, k, round, block, spare, cells);
        break;
    case ORTHO_AP:
    case ORTHO_QP:
    case ORTHO_AP_QP:
        if (round->what == ORTHO_AP || (round->what == ORTHO_AP_QP && task < n_blocks)) {
            b = block_of(m, k, block, m->ap, spare);
            multiply(m, k, &b, m->a, p);
            store(m, k, &b, m->ap, cells);
        } else {
            b = block_of(m, k, block, q_after(m, round->i), spare);
            multiply(m, k, &b, q_after(m, round->i - 1), p);
            store(m, k, &b, q_after(m, round->i), cells);
        }
        break;
    case ORTHO_APP:
        b = block_of_a(m, k, block);
        multiply(m, k, &b, m->ap, p);
        store(m, k, &b, m->a, cells);
        break;
    case ORTHO_RESULT:
        return result(m, k, round, task, spare);
    case ORTHO_NOTHING:
        break;
    }
    return NULL;
}
