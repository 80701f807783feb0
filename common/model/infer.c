#include "model/infer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "model/mixer.h"

enum {
    PACKED_ALIGN = 64,
    HEAD_PART = 1024 /* rows of the head in one task, about */
};

/* ---- weights --------------------------------------------------------------------------------- */

/* Takes room for the rows [first, first + rows) of t in the arena and packs them there. */
static void pack_matrix(struct infer_weights *w, const struct model_tern *t, size_t first,
                        size_t rows, struct infer_matrix *out)
{
    const struct kern_exact *k = &w->kern->exact;
    bool exact = w->math == MODEL_EXACT;
    size_t bytes = (exact ? k->float_tern_bytes : k->int8_tern_bytes)(rows, t->cols);
    void *packed = arena_alloc(&w->arena, ALIGN_UP(bytes, PACKED_ALIGN), 1);
    *out = (struct infer_matrix){packed, rows, t->cols, t->alpha};
    if (packed) {
        const uint8_t *codes = t->codes + first * DIV_UP(t->cols, 4);
        (exact ? k->float_tern_pack : k->int8_tern_pack)(codes, rows, t->cols, packed);
    }
}

static void pack_block(struct infer_weights *w, int l)
{
    const struct model_block *m = &w->model->block[l];
    struct infer_block *b = &w->block[l];
    size_t D = (size_t)w->model->dims.D;
    pack_matrix(w, &m->mixer_up, 0, D, &b->mixer_gate);
    pack_matrix(w, &m->mixer_up, D, D, &b->mixer_value);
    pack_matrix(w, &m->mixer_down, 0, m->mixer_down.rows, &b->mixer_down);
    pack_matrix(w, &m->ffn_gate, 0, m->ffn_gate.rows, &b->ffn_gate);
    pack_matrix(w, &m->ffn_up, 0, m->ffn_up.rows, &b->ffn_up);
    pack_matrix(w, &m->ffn_down, 0, m->ffn_down.rows, &b->ffn_down);
    if (dims_has(&w->model->dims, TENSOR_QUERY_KEY, l))
        pack_matrix(w, &m->query_key, 0, m->query_key.rows, &b->query_key);
    mixer_of(&w->model->dims, l)->pack(w, l);
}

double infer_column_factor(float norm, double rms)
{
    const double least = 1.0 / 256;
    double f = sqrt(sqrt(fabs((double)norm) / rms));
    return f > least ? MIN(f, 1 / least) : least; /* not a number: 0 / 0 */
}

static void even_columns(const struct model *m, float *row, double *squares, float *factor,
                         float *norm)
{
    size_t D = (size_t)m->dims.D;
    size_t V = (size_t)m->dims.V;
    for (size_t id = 0; id < V; id++) {
        model_embed_row(m, id, row);
        for (size_t c = 0; c < D; c++)
            squares[c] += (double)row[c] * (double)row[c];
    }
    for (size_t c = 0; c < D; c++) {
        factor[c] = (float)infer_column_factor(m->final_norm[c], sqrt(squares[c] / (double)V));
        norm[c] = (float)((double)m->final_norm[c] / (double)factor[c]);
    }
}

/* The floats of E rounded a row at a time, its columns having been evened out. */
static int pack_floats_int8(struct infer_weights *w, float *scales, float *norm, void *packed,
                            struct err *e)
{
    const struct model *m = w->model;
    size_t V = (size_t)m->dims.V;
    size_t D = (size_t)m->dims.D;
    struct arena scratch;
    if (arena_init(&scratch, w->arena.memory,
                   V * D + D * (2 * sizeof(float) + sizeof(double)) + 4 * PACKED_ALIGN, e))
        return -1;
    float *row = arena_alloc(&scratch, D, sizeof *row);
    float *factor = arena_alloc(&scratch, D, sizeof *factor);
    signed char *bytes = arena_alloc(&scratch, V * D, 1);
    even_columns(m, row, arena_alloc(&scratch, D, sizeof(double)), factor, norm);
    for (size_t id = 0; id < V; id++) {
        model_embed_row(m, id, row);
        for (size_t c = 0; c < D; c++)
            row[c] *= factor[c];
        scales[id] = number_q8(row, D, bytes + id * D);
    }
    w->kern->exact.int8_head_pack(bytes, V, D, packed);
    arena_release(&scratch);
    return 0;
}

static int pack_head_int8(struct infer_weights *w, struct err *e)
{
    const struct model *m = w->model;
    const struct kern_exact *k = &w->kern->exact;
    size_t V = (size_t)m->dims.V;
    size_t D = (size_t)m->dims.D;
    bool stored = m->embed.type == NUMBER_Q8;
    void *packed = arena_alloc(&w->arena, ALIGN_UP(k->int8_head_bytes(V, D), PACKED_ALIGN), 1);
    float *scales = stored ? NULL : arena_alloc(&w->arena, V, sizeof *scales);
    float *norm = stored ? NULL : arena_alloc(&w->arena, D, sizeof *norm);
    w->head = packed;
    w->head_scales = stored ? m->embed.row_scales : scales;
    w->final_norm = stored ? m->final_norm : norm;
    if (!packed)
        return 0; /* measuring */
    if (!stored)
        return pack_floats_int8(w, scales, norm, packed, e);
    k->int8_head_pack(m->embed.data, V, D, packed);
    return 0;
}

static void pack_head_exact(struct infer_weights *w)
{
    const struct model_embed *embed = &w->model->embed;
    const struct kern_exact *k = &w->kern->exact;
    size_t V = (size_t)w->model->dims.V;
    size_t D = (size_t)w->model->dims.D;
    size_t bytes = k->float_head_bytes(embed->type, V, D);
    void *packed = arena_alloc(&w->arena, ALIGN_UP(bytes, PACKED_ALIGN), 1);
    w->head = packed;
    w->head_scales = embed->row_scales;
    w->final_norm = w->model->final_norm;
    if (packed)
        k->float_head_pack(embed->type, embed->data, V, D, packed);
}

static void pack_ones(struct infer_weights *w)
{
    size_t D = (size_t)w->model->dims.D;
    float *ones = arena_alloc(&w->arena, D, sizeof *ones);
    w->ones = ones;
    for (size_t c = 0; ones && c < D; c++)
        ones[c] = 1;
}

/* Lays out and packs; while the arena measures, only the former. */
static int pack_all(struct infer_weights *w, struct err *e)
{
    for (int l = 0; l < w->model->dims.L; l++)
        pack_block(w, l);
    if (w->model->dims.embed_norm)
        pack_ones(w);
    if (w->math == MODEL_INT8)
        return pack_head_int8(w, e);
    pack_head_exact(w);
    return 0;
}

int infer_weights_init(struct infer_weights *w, const struct model *m, const struct kern *k,
                       enum model_math math, const struct memory *memory, struct err *e)
{
    *w = (struct infer_weights){.model = m, .kern = k, .math = math};
    arena_measure(&w->arena);
    if (pack_all(w, e))
        return -1;
    if (arena_init(&w->arena, memory, w->arena.used, e))
        return -1;
    uint32_t mode = cpu_float_default();
    int rc = pack_all(w, e);
    cpu_float_restore(mode);
    if (rc)
        infer_weights_release(w);
    return rc;
}

void infer_weights_release(struct infer_weights *w)
{
    arena_release(&w->arena);
    *w = (struct infer_weights){0};
}

/* ---- streams --------------------------------------------------------------------------------- */

void infer_stream_init(struct infer_stream *s, const struct dims *d, struct arena *a)
{
    for (int l = 0; l < d->L; l++)
        s->state[l] = arena_alloc(a, mixer_of(d, l)->state(d, l), sizeof(float));
    infer_stream_reset(s);
}

void infer_stream_reset(struct infer_stream *s)
{
    /* States need no clearing: no mixer reads what stands before position 0. */
    s->position = 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

void infer_init(struct infer *f, const struct infer_weights *w, size_t max_rows, struct arena *a)
{
    const struct dims *d = &w->model->dims;
    size_t n_d = max_rows * (size_t)d->D;
    size_t n_h = max_rows * (size_t)d->H;
    *f = (struct infer){.weights = w, .max_rows = max_rows};
    f->q_stride = ALIGN_UP((size_t)MAX(d->D, d->H), (size_t)KERN_INT8_ALIGN);
    f->x = arena_alloc(a, n_d, sizeof(float));
    f->hidden = arena_alloc(a, n_d, sizeof(float));
    f->norm = arena_alloc(a, n_d, sizeof(float));
    f->mixer_gate = arena_alloc(a, n_d, sizeof(float));
    f->mixer_value = arena_alloc(a, n_d, sizeof(float));
    f->mixed = arena_alloc(a, n_d, sizeof(float));
    f->query_key = arena_alloc(a, max_rows * 2 * (size_t)(d->heads * d->key_width), sizeof(float));
    f->weights_room = arena_alloc(a, (size_t)d->window, sizeof(float));
    f->ffn_gate = arena_alloc(a, n_h, sizeof(float));
    f->ffn_up = arena_alloc(a, n_h, sizeof(float));
    f->position = arena_alloc(a, max_rows, sizeof *f->position);
    f->q = arena_alloc(a, max_rows * f->q_stride, sizeof *f->q);
    f->q_row = arena_alloc(a, max_rows, sizeof *f->q_row);
}

static void round_rows(struct infer *f, const float *x, size_t cols, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f->weights->kern->exact.int8_round(x + i * cols, cols, f->q + i * f->q_stride,
                                           &f->q_row[i]);
}

/* What a linear layer reads: in int8, x rounded; call it once for all layers that read the same. */
static void quantise_input(struct infer *f, const float *x, size_t cols, size_t n)
{
    if (f->weights->math == MODEL_INT8)
        round_rows(f, x, cols, n);
}

/* y = W x; x is what quantise_input was called with. */
static void linear(struct infer *f, const struct infer_matrix *w, const float *x, size_t n,
                   float *y)
{
    const struct kern_exact *k = &f->weights->kern->exact;
    if (f->weights->math == MODEL_INT8)
        k->int8_tern(w->packed, w->rows, w->cols, w->alpha, n, f->q, f->q_stride, f->q_row, y,
                     w->rows);
    else
        k->float_tern(w->packed, w->rows, w->cols, w->alpha, n, x, w->cols, y, w->rows);
}

static void norm_rows(const struct infer *f, const float *scale, size_t n, float *y)
{
    size_t D = (size_t)f->weights->model->dims.D;
    for (size_t i = 0; i < n; i++)
        f->weights->kern->exact.rmsnorm(f->x + i * D, scale, D, DIMS_NORM_EPS, y + i * D);
}

/* x += W (mix * sigmoid(g)). */
static void mixer(struct infer *f, int l, const struct infer_row *rows, size_t n)
{
    const struct infer_block *b = &f->weights->block[l];
    const struct kern *k = f->weights->kern;
    size_t D = (size_t)f->weights->model->dims.D;
    norm_rows(f, f->weights->model->block[l].norm1, n, f->norm);
    quantise_input(f, f->norm, D, n);
    linear(f, &b->mixer_gate, f->norm, n, f->mixer_gate);
    linear(f, &b->mixer_value, f->norm, n, f->mixer_value);
    if (b->query_key.rows > 0)
        linear(f, &b->query_key, f->norm, n, f->query_key);
    mixer_of(&f->weights->model->dims, l)->step(f, l, rows, n);
    k->exact.gate(f->mixed, f->mixer_gate, n * D, f->mixed);
    quantise_input(f, f->mixed, D, n);
    linear(f, &b->mixer_down, f->mixed, n, f->norm);
    k->add(f->norm, n * D, f->x);
}

/* x += Wd (silu(Wg n) * (Wu n)). */
static void feed_forward(struct infer *f, int l, size_t n)
{
    const struct infer_block *b = &f->weights->block[l];
    const struct kern *k = f->weights->kern;
    size_t D = (size_t)f->weights->model->dims.D;
    size_t H = (size_t)f->weights->model->dims.H;
    norm_rows(f, f->weights->model->block[l].norm2, n, f->norm);
    quantise_input(f, f->norm, D, n);
    linear(f, &b->ffn_gate, f->norm, n, f->ffn_gate);
    linear(f, &b->ffn_up, f->norm, n, f->ffn_up);
    k->exact.swiglu(f->ffn_gate, f->ffn_up, n * H, f->ffn_gate);
    quantise_input(f, f->ffn_gate, H, n);
    linear(f, &b->ffn_down, f->ffn_gate, n, f->norm);
    k->add(f->norm, n * D, f->x);
}

/* x of row i: the token's embedding, through its norm if it has one. */
static void embed(struct infer *f, uint16_t token, size_t i)
{
    const struct infer_weights *w = f->weights;
    size_t D = (size_t)w->model->dims.D;
    float *x = f->x + i * D;
    model_embed_row(w->model, token, w->ones ? f->norm : x);
    if (w->ones)
        w->kern->exact.rmsnorm(f->norm, w->ones, D, DIMS_NORM_EPS, x);
}

/* Gives the rows their places and embeddings. */
static void enter(struct infer *f, const struct infer_row *rows, size_t n)
{
    assert(n >= 1 && n <= f->max_rows);
    for (size_t i = 0; i < n; i++) {
        assert(rows[i].token < f->weights->model->dims.V);
        f->position[i] = rows[i].stream->position++;
        embed(f, rows[i].token, i);
    }
}

void infer_feed(struct infer *f, const struct infer_row *rows, size_t n)
{
    const struct model *m = f->weights->model;
    uint32_t mode = cpu_float_default();
    enter(f, rows, n);
    for (int l = 0; l < m->dims.L; l++) {
        mixer(f, l, rows, n);
        feed_forward(f, l, n);
    }
    norm_rows(f, f->weights->final_norm, n, f->hidden);
    cpu_float_restore(mode);
}

/* ---- many threads ---------------------------------------------------------------------------- */

enum { CHUNK_ROWS = 16 };

struct infer_chunk {
    struct infer_row rows[CHUNK_ROWS];
    uint64_t position[CHUNK_ROWS];
    float *x; /* [CHUNK_ROWS][D] */
};

void infer_readers_init(struct infer_readers *r, const struct infer_weights *w, struct pool *p,
                        struct arena *a)
{
    const struct dims *d = &w->model->dims;
    size_t threads = (size_t)pool_threads(p);
    size_t L = (size_t)d->L;
    *r = (struct infer_readers){.pool = p};
    r->workers = arena_alloc(a, threads, sizeof *r->workers);
    r->chunks = arena_alloc(a, L, sizeof *r->chunks);
    for (size_t i = 0; i < threads; i++) {
        struct infer measured;
        infer_init(r->workers ? &r->workers[i] : &measured, w, CHUNK_ROWS, a);
    }
    for (size_t l = 0; l < L; l++) {
        float *x = arena_alloc(a, CHUNK_ROWS * (size_t)d->D, sizeof *x);
        if (r->chunks)
            r->chunks[l].x = x;
    }
}

struct reading {
    struct infer_readers *readers;
    struct infer_stream *stream;
    const uint16_t *tokens;
    size_t n;
    size_t round;
    size_t first; /* block of the first task of this round */
};

/* A chunk, in one block. */
static void read_task(void *context, size_t task, size_t worker)
{
    const struct reading *j = context;
    struct infer f = j->readers->workers[worker];
    size_t l = j->first + task;
    size_t number = j->round - l;
    size_t n = MIN(j->n - number * CHUNK_ROWS, (size_t)CHUNK_ROWS);
    struct infer_chunk *chunk = &j->readers->chunks[number % (size_t)f.weights->model->dims.L];
    uint32_t mode = cpu_float_default();
    f.x = chunk->x;
    f.position = chunk->position;
    if (l == 0) {
        for (size_t i = 0; i < n; i++)
            chunk->rows[i] = (struct infer_row){j->stream, j->tokens[number * CHUNK_ROWS + i]};
        enter(&f, chunk->rows, n);
    }
    mixer(&f, (int)l, chunk->rows, n);
    feed_forward(&f, (int)l, n);
    cpu_float_restore(mode);
}

void infer_read(struct infer_readers *r, struct infer *f, struct infer_stream *s,
                const uint16_t *tokens, size_t n)
{
    struct reading j = {.readers = r, .stream = s, .tokens = tokens, .n = n};
    size_t D = (size_t)f->weights->model->dims.D;
    size_t L = (size_t)f->weights->model->dims.L;
    size_t chunks = DIV_UP(n, (size_t)CHUNK_ROWS);
    for (; j.round < chunks + L - 1; j.round++) {
        j.first = j.round < chunks ? 0 : j.round - chunks + 1;
        pool_run(r->pool, read_task, &j, MIN(j.round + 1, L) - j.first);
    }
    const float *x = r->chunks[(chunks - 1) % L].x + (n - 1) % CHUNK_ROWS * D;
    uint32_t mode = cpu_float_default();
    memcpy(f->x, x, D * sizeof *x);
    norm_rows(f, f->weights->final_norm, 1, f->hidden);
    cpu_float_restore(mode);
}

/* ---- the head -------------------------------------------------------------------------------- */

struct head_job {
    struct infer *f;
    const float *hidden; /* of the first row */
    size_t n;
    size_t part; /* rows of E in a task, a multiple of the panel */
    size_t n_parts;
    bool backwards; /* the last part first */
    float *logits;
};

/* Logits of the tokens of one part. */
static void head_part(void *context, size_t task, size_t worker)
{
    const struct head_job *h = context;
    const struct infer_weights *w = h->f->weights;
    const struct kern_exact *k = &w->kern->exact;
    size_t D = (size_t)w->model->dims.D;
    size_t V = (size_t)w->model->dims.V;
    size_t first = (h->backwards ? h->n_parts - 1 - task : task) * h->part;
    size_t count = MIN(V - first, h->part);
    const float *scales = w->head_scales ? w->head_scales + first : NULL;
    const unsigned char *packed = w->head;
    uint32_t mode = cpu_float_default();
    (void)worker;
    if (w->math == MODEL_INT8)
        k->int8_head(packed + k->int8_head_bytes(first, D), scales, count, D, h->n, h->f->q,
                     h->f->q_stride, h->f->q_row, h->logits + first, V);
    else
        k->float_head(w->model->embed.type,
                      packed + k->float_head_bytes(w->model->embed.type, first, D), scales, count,
                      D, h->n, h->hidden, D, h->logits + first, V);
    cpu_float_restore(mode);
}

void infer_head_split(struct infer *f, struct pool *p, size_t first, size_t n, float *logits)
{
    const struct kern_exact *k = &f->weights->kern->exact;
    size_t D = (size_t)f->weights->model->dims.D;
    size_t V = (size_t)f->weights->model->dims.V;
    bool int8 = f->weights->math == MODEL_INT8;
    size_t panel = int8 ? k->int8_head_panel : k->float_head_panel;
    size_t part = ALIGN_UP((size_t)HEAD_PART, panel);
    struct head_job h = {f, f->hidden + first * D, n, part, DIV_UP(V, part), f->backwards, logits};
    f->backwards = !f->backwards; /* what was read last, the caches still hold */
    if (int8) {
        uint32_t mode = cpu_float_default();
        round_rows(f, h.hidden, D, n);
        cpu_float_restore(mode);
    }
    pool_run(p, head_part, &h, h.n_parts);
}

void infer_head(struct infer *f, size_t first, size_t n, float *logits)
{
    infer_head_split(f, NULL, first, n, logits);
}

void infer_token(struct infer *f, struct infer_stream *s, uint16_t token, float *logits)
{
    infer_prompt(f, s, &token, 1, logits);
}

void infer_prompt(struct infer *f, struct infer_stream *s, const uint16_t *tokens, size_t n,
                  float *logits)
{
    struct infer_row rows[INFER_ROWS];
    size_t most = MIN(f->max_rows, ARRAY_LEN(rows));
    size_t count = 0;
    for (size_t i = 0; i < n; i += count) {
        count = MIN(n - i, most);
        for (size_t j = 0; j < count; j++)
            rows[j] = (struct infer_row){s, tokens[i + j]};
        infer_feed(f, rows, count);
    }
    infer_head(f, count - 1, 1, logits);
}
