#include "train/muon.h"

#include <math.h>
#include <string.h>

#include "train/adamw.h"

/* The iteration is worked out in matrices of the short side, C x C, as far as that goes well. With
 * P_i = a + b A_i + c A_i^2, all of which commute,
 *
 *     A_{i+1} = A_i P_i P_i,  Q_{i+1} = Q_i P_i,  X_{i+s} = X_i Q_{i+s}
 *
 * where errors of A grow with each i; so X is made, and A from it, after every STAGE of them. Of
 * symmetric matrices a block of rows is computed up to its diagonal, and stored a second time as
 * columns.
 *
 * Operands of products: X by rows and by columns (kern.h), and where its short side are its rows,
 * packed; symmetric matrices by columns alone, which transposed are their rows. */

enum {
    BLOCK = 32,   /* rows of a symmetric matrix that a task computes */
    PANEL = 64,   /* every kernel's panel divides it, it a block of columns */
    LOAD = 64,    /* rows of X that a task loads or computes: whole panels */
    STAGE = 3,    /* iterations between two visits to X */
    MOST = 5,     /* iterations */
    N_ROUNDS = 24 /* as many as MOST iterations take, at least */
};

/* ---- settings -------------------------------------------------------------------------------- */

enum { LR, MOMENTUM, MOMENTUM_START, WARMUP, ITERATIONS, POLAR, DECAY, CAUTIOUS };

static const struct optim_setting settings[] = {
    [LR] = {"muon_lr", 0.02, 0, 1e3, false},
    [MOMENTUM] = {"muon_momentum", 0.95, 0, 1, false},
    [MOMENTUM_START] = {"muon_momentum_start", 0.85, 0, 1, false},
    [WARMUP] = {"muon_warmup", 300, 0, 1e15, true},
    [ITERATIONS] = {"muon_iterations", 5, 1, MOST + 1, true},
    [POLAR] = {"muon_polar", 0, 0, 2, true},
    [DECAY] = {"muon_decay", 0, 0, 1e3, false},
    [CAUTIOUS] = {"muon_cautious", 0, 0, 2, true},
};

struct coefficients {
    float a, b, c;
};

/* Newton-Schulz, the same each time (Jordan 2024); Polar Express (Amsel et al. 2025), one after the
 * other. */
static const struct coefficients newton_schulz = {3.4445f, -4.7750f, 2.0315f};
static const struct coefficients polar_express[MOST] = {
    {8.15655f, -22.48329f, 15.87877f}, {4.04293f, -2.80892f, 0.50002f},
    {3.89167f, -2.77248f, 0.50606f},   {3.28575f, -2.36813f, 0.46449f},
    {2.34654f, -1.70978f, 0.42324f},
};

/* ---- memory ---------------------------------------------------------------------------------- */

/* One matrix. In f32 by_rows and by_columns are the same floats. */
struct matrix {
    size_t rows, cols; /* of the weight */
    size_t side;       /* C, the shorter */
    size_t depth;      /* the longer */
    size_t offset;     /* of its first number in its tensor */
    bool wide;         /* the rows are fewer */
    float *y;          /* [rows][cols] what is to be loaded, and the result; spare in between */
    uint32_t *by_rows, *by_columns;
    uint32_t *packed;   /* of a wide one: its transpose as the B of a product */
    double *sums;       /* of squares of y, one a task of loading */
    uint32_t *a, *b;    /* symmetric: A and A P */
    uint32_t *p[2], *q; /* symmetric: P, and products of several */
    float *a_block;     /* A as computed, block by block of rows */
    float *work;        /* other matrices likewise */
};

static void lay_out(struct matrix *m, const struct kern *k, struct arena *a)
{
    size_t C = m->side;
    size_t u = k->unit;
    size_t cells = DIV_UP(C, u) * C;
    m->by_rows = arena_alloc(a, m->rows * DIV_UP(m->cols, u), sizeof(uint32_t));
    m->by_columns =
        u == 1 ? m->by_rows : arena_alloc(a, DIV_UP(m->rows, u) * m->cols, sizeof(uint32_t));
    m->y = arena_alloc(a, m->rows * m->cols + C, sizeof(float));
    if (m->wide)
        m->packed = arena_alloc(a, kern_packed_cells(k, DIV_UP(m->depth, u), C), sizeof(uint32_t));
    m->sums = arena_alloc(a, DIV_UP(m->rows, (size_t)LOAD), sizeof *m->sums);
    uint32_t **symmetric[] = {&m->a, &m->b, &m->p[0], &m->p[1], &m->q};
    for (size_t i = 0; i < ARRAY_LEN(symmetric); i++)
        *symmetric[i] = arena_alloc(a, cells, sizeof(uint32_t));
    m->a_block = arena_alloc(a, C * C, sizeof(float));
    m->work = arena_alloc(a, C * C, sizeof(float));
}

static void *scratch(const struct tensor *t, const struct kern *k, struct arena *a)
{
    size_t n_parts = (size_t)t->n_parts;
    size_t rows = t->shape[0] / n_parts;
    size_t cols = t->shape[1];
    struct matrix *matrices = arena_alloc(a, n_parts, sizeof *matrices);
    for (size_t i = 0; i < n_parts; i++) {
        struct matrix m = {.rows = rows,
                           .cols = cols,
                           .side = MIN(rows, cols),
                           .depth = MAX(rows, cols),
                           .offset = i * rows * cols,
                           .wide = rows < cols};
        lay_out(&m, k, a);
        if (matrices)
            matrices[i] = m;
    }
    return matrices;
}

/* ---- symmetric products ---------------------------------------------------------------------- */

/* A block of rows [first, first + rows) of a symmetric matrix, columns [0, cols). */
struct block {
    size_t first, rows, cols;
    float *x; /* its numbers, cols side by side */
};

static struct block block_of(const struct matrix *m, size_t task, float *base)
{
    struct block b = {.first = task * BLOCK};
    b.rows = MIN((size_t)BLOCK, m->side - b.first);
    b.cols = MIN(ALIGN_UP(b.first + b.rows, (size_t)PANEL), m->side);
    b.x = base + b.first * m->side;
    return b;
}

/* Room for a block in cells by rows, of which there are two for each task. */
static uint32_t *spare_of(const struct matrix *m, const struct block *b, bool second)
{
    size_t width = DIV_UP(m->side, (size_t)2);
    return (uint32_t *)(void *)m->y + (second ? m->side * width : 0) + b->first * width;
}

static void transpose(const uint32_t *in, size_t in_stride, size_t rows, size_t cols, uint32_t *out,
                      size_t out_stride)
{
    for (size_t j0 = 0; j0 < cols; j0 += 16)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = j0; j < MIN(cols, j0 + 16); j++)
                out[j * out_stride + i] = in[i * in_stride + j];
}

/* Writes a block into the operand form of its matrix: as rows, and what is left of the panel of the
 * diagonal as columns too. spare: as long as a block in cells by rows. */
static void store(const struct kern *k, const struct matrix *m, const struct block *b,
                  uint32_t *cells, uint32_t *spare)
{
    size_t C = m->side;
    size_t u = k->unit;
    size_t width = DIV_UP(b->cols, u);
    size_t mirrored = b->first / PANEL * PANEL;
    uint32_t *rows = spare;
    if (u == 1) {
        rows = (uint32_t *)(void *)b->x;
        for (size_t r = 0; r < b->rows; r++)
            memcpy(cells + (b->first + r) * C, b->x + r * b->cols, b->cols * sizeof(float));
    } else {
        if (mirrored)
            k->operand(b->x, b->rows, b->cols, rows, NULL);
        for (size_t r = 0; r < b->rows; r += u)
            k->operand(b->x + r * b->cols, MIN(u, b->rows - r), b->cols, NULL,
                       cells + (b->first + r) / u * C);
    }
    transpose(rows, width, b->rows, mirrored / u, cells + b->first, C);
}

/* A block of the product of two symmetric matrices that commute. */
static void multiply(const struct kern *k, const struct matrix *m, const struct block *b,
                     const uint32_t *left, const uint32_t *right)
{
    struct kern_b r = {right, m->side};
    k->product(b->rows, b->cols, DIV_UP(m->side, k->unit), left + b->first, 1, m->side, r, b->x,
               b->cols, false);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

enum what {
    LOAD_Y,     /* the momentum, and the operand forms of X */
    GRAM,       /* A = X'X */
    POLYNOMIAL, /* P = a + b A + c A^2 */
    AP,         /* A P */
    QP,         /* Q P */
    AP_QP,      /* both */
    APP,        /* A = (A P) P */
    RESULT,     /* X Q, and the step */
    NOTHING
};

struct round {
    enum what what;
    size_t i;    /* iterations before this one in its stage */
    size_t done; /* iterations before this stage */
    size_t size; /* iterations of this stage */
    bool last;   /* of the stages */
};

/* What round number `round` does where there are n iterations. */
static struct round round_of(size_t n, size_t round)
{
    for (size_t done = 0; done < n;) {
        struct round r = {.done = done, .size = MIN((size_t)STAGE, n - done)};
        r.last = done + r.size == n;
        enum what whats[2 + 3 * STAGE + 1] = {LOAD_Y, GRAM};
        size_t at[2 + 3 * STAGE + 1] = {0};
        size_t count = 2;
        for (size_t i = 0; i < r.size; i++) {
            at[count] = at[count + 1] = at[count + 2] = i;
            whats[count++] = POLYNOMIAL;
            if (i + 1 < r.size) {
                whats[count++] = i ? AP_QP : AP;
                whats[count++] = APP;
            } else if (i) {
                whats[count++] = QP;
            }
        }
        whats[count++] = RESULT;
        if (round < count) {
            r.what = whats[round];
            r.i = at[round];
            return r;
        }
        round -= count;
        done += r.size;
    }
    return (struct round){NOTHING, 0, 0, 0, false};
}

static size_t iterations(const struct optim_tensor *t)
{
    return (size_t)t->settings[ITERATIONS];
}

static size_t n_load(const struct matrix *m)
{
    return DIV_UP(m->rows, (size_t)LOAD);
}

static size_t n_blocks(const struct matrix *m)
{
    return DIV_UP(m->side, (size_t)BLOCK);
}

/* Tasks of a round for one matrix. */
static size_t n_tasks_of(const struct matrix *m, enum what what)
{
    switch (what) {
    case LOAD_Y:
    case RESULT:
        return n_load(m);
    case NOTHING:
        return 0;
    case AP_QP:
        return 2 * n_blocks(m);
    default:
        return n_blocks(m);
    }
}

static size_t n_tasks(const struct optim_tensor *t, size_t round)
{
    const struct matrix *matrices = t->scratch;
    return (size_t)t->tensor.n_parts * n_tasks_of(matrices, round_of(iterations(t), round).what);
}

/* Q after iteration i: P itself after the first. */
static uint32_t *q_after(const struct matrix *m, size_t i)
{
    return i == 0 ? m->p[0] : i == 1 ? m->q : m->p[1];
}

/* ---- loading --------------------------------------------------------------------------------- */

struct rows {
    size_t first, count;
};

static struct rows rows_of(const struct matrix *m, size_t task)
{
    size_t first = task * LOAD;
    return (struct rows){first, MIN((size_t)LOAD, m->rows - first)};
}

static double momentum_now(const struct optim_tensor *t, uint64_t number)
{
    const double *q = t->settings;
    double share = q[WARMUP] > 0 ? MIN(1.0, (double)(number - 1) / q[WARMUP]) : 1.0;
    return q[MOMENTUM_START] + share * (q[MOMENTUM] - q[MOMENTUM_START]);
}

static void momentum(const struct optim_step *s, const struct optim_tensor *t,
                     const struct matrix *m, struct rows r, float *y)
{
    float mu = (float)momentum_now(t, s->number);
    size_t at = m->offset + r.first * m->cols;
    const float *g = s->gradient + t->tensor.offset + at;
    float *state = t->state[0] + at;
    for (size_t i = 0; i < r.count * m->cols; i++) {
        float fresh = (1 - mu) * g[i];
        state[i] = mu * state[i] + fresh;
        y[i] = mu * state[i] + fresh;
    }
}

static void load(const struct optim_step *s, const struct optim_tensor *t, const struct matrix *m,
                 const struct round *round, size_t task)
{
    const struct kern *k = s->kern;
    struct rows r = rows_of(m, task);
    size_t u = k->unit;
    float *y = m->y + r.first * m->cols;
    if (round->done == 0) {
        momentum(s, t, m, r, y);
        m->sums[task] = k->sum_sq(y, r.count * m->cols);
    }
    if (u == 1)
        memcpy(m->by_rows + r.first * m->cols, y, r.count * m->cols * sizeof *y);
    else
        k->operand(y, r.count, m->cols, m->by_rows + r.first * DIV_UP(m->cols, u),
                   m->by_columns + r.first / u * m->cols);
    if (m->wide)
        k->pack(m->y, m->rows, m->cols, r.first, r.count, m->packed);
}

/* 1 / (1.02 |Y| + 1e-6). */
static double normaliser(const struct matrix *m)
{
    double sum = 0;
    for (size_t i = 0; i < n_load(m); i++)
        sum += m->sums[i];
    return 1 / (1.02 * sqrt(sum) + 1e-6);
}

/* ---- iterating ------------------------------------------------------------------------------- */

static void scale(float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

static void gram(const struct optim_step *s, const struct matrix *m, const struct round *round,
                 size_t task)
{
    const struct kern *k = s->kern;
    struct block b = block_of(m, task, m->a_block);
    size_t depth = DIV_UP(m->depth, k->unit);
    if (m->wide)
        k->product(b.rows, b.cols, depth, m->by_rows + b.first * depth, depth, 1,
                   (struct kern_b){m->packed, 0}, b.x, b.cols, false);
    else
        k->product(b.rows, b.cols, depth, m->by_columns + b.first, 1, m->cols,
                   (struct kern_b){m->by_columns, m->cols}, b.x, b.cols, false);
    if (round->done == 0) {
        double by = normaliser(m);
        scale(b.x, b.rows * b.cols, (float)(by * by));
    }
    store(k, m, &b, m->a, spare_of(m, &b, false));
}

static void polynomial(const struct optim_step *s, const struct optim_tensor *t,
                       const struct matrix *m, const struct round *round, size_t task)
{
    struct block b = block_of(m, task, m->work);
    const float *a = block_of(m, task, m->a_block).x;
    const struct coefficients *f =
        t->settings[POLAR] > 0 ? &polar_express[round->done + round->i] : &newton_schulz;
    multiply(s->kern, m, &b, m->a, m->a);
    for (size_t i = 0; i < b.rows * b.cols; i++)
        b.x[i] = f->b * a[i] + f->c * b.x[i];
    for (size_t r = 0; r < b.rows; r++)
        b.x[r * b.cols + b.first + r] += f->a;
    store(s->kern, m, &b, m->p[round->i % 2], spare_of(m, &b, false));
}

static void advance(const struct optim_step *s, const struct matrix *m, const struct round *round,
                    bool q, size_t task)
{
    struct block b = block_of(m, task, q ? m->a_block : m->work);
    const uint32_t *left = q ? q_after(m, round->i - 1) : m->a;
    multiply(s->kern, m, &b, left, m->p[round->i % 2]);
    store(s->kern, m, &b, q ? q_after(m, round->i) : m->b, spare_of(m, &b, q));
}

static void again(const struct optim_step *s, const struct matrix *m, const struct round *round,
                  size_t task)
{
    struct block b = block_of(m, task, m->a_block);
    multiply(s->kern, m, &b, m->b, m->p[round->i % 2]);
    store(s->kern, m, &b, m->a, spare_of(m, &b, false));
}

/* ---- the step -------------------------------------------------------------------------------- */

static void step(const struct optim_step *s, const struct optim_tensor *t, const struct matrix *m,
                 struct rows r, float by)
{
    const double *q = t->settings;
    const float *x = m->y + r.first * m->cols;
    float *w = s->params + t->tensor.offset + m->offset + r.first * m->cols;
    double lr = q[LR] * s->share;
    float rate = (float)(lr * sqrt(MAX(1.0, (double)m->rows / (double)m->cols))) * by;
    float decay = (float)(lr * q[DECAY]);
    bool cautious = q[CAUTIOUS] > 0;
    for (size_t i = 0; i < r.count * m->cols; i++) {
        float less = cautious && w[i] * x[i] <= 0 ? 0 : decay;
        w[i] = w[i] - less * w[i] - rate * x[i];
    }
}

static void result(const struct optim_step *s, const struct optim_tensor *t, const struct matrix *m,
                   const struct round *round, size_t task)
{
    const struct kern *k = s->kern;
    struct rows r = rows_of(m, task);
    float *out = m->y + r.first * m->cols;
    const uint32_t *q = q_after(m, round->size - 1);
    size_t depth = DIV_UP(m->side, k->unit);
    float by = round->done == 0 ? (float)normaliser(m) : 1;
    if (m->wide)
        k->product(r.count, m->cols, depth, q + r.first, 1, m->side,
                   (struct kern_b){m->by_columns, m->cols}, out, m->cols, false);
    else
        k->product(r.count, m->cols, depth, m->by_rows + r.first * depth, depth, 1,
                   (struct kern_b){q, m->side}, out, m->cols, false);
    if (round->last)
        step(s, t, m, r, by);
    else if (round->done == 0)
        scale(out, r.count * m->cols, by);
}

static void run(const struct optim_step *s, const struct optim_tensor *t, size_t number,
                size_t task)
{
    struct round round = round_of(iterations(t), number);
    const struct matrix *m = t->scratch;
    size_t each = n_tasks_of(m, round.what);
    m += task / each;
    task %= each;
    switch (round.what) {
    case LOAD_Y:
        load(s, t, m, &round, task);
        break;
    case GRAM:
        gram(s, m, &round, task);
        break;
    case POLYNOMIAL:
        polynomial(s, t, m, &round, task);
        break;
    case AP:
    case QP:
        advance(s, m, &round, round.what == QP, task);
        break;
    case AP_QP:
        advance(s, m, &round, task >= n_blocks(m), task % n_blocks(m));
        break;
    case APP:
        again(s, m, &round, task);
        break;
    case RESULT:
        result(s, t, m, &round, task);
        break;
    case NOTHING:
        break;
    }
}

static const struct optim_rule muon_rule = {
    .arrays = {"muon_m"},
    .settings = settings,
    .n_settings = ARRAY_LEN(settings),
    .n_rounds = N_ROUNDS,
    .scratch = scratch,
    .n_tasks = n_tasks,
    .run = run,
};

const struct optim_kind muon_kind = {
    .name = "muon",
    .rule = {[TENSOR_TERNARY] = &muon_rule,
             [TENSOR_TABLE] = &adamw_rule,
             [TENSOR_VECTOR] = &adamw_rule},
};
