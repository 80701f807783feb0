#include "model/shortlist.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"

enum {
    PACKED_ALIGN = 64,
    PART = 1024,   /* rows of the head in one task, about */
    SAMPLED = 16,  /* of so many rows of E one tells the size of its columns */
    LIST_SHARE = 8 /* a list is at most this part of the vocabulary */
};

/* Of a row; so far below 1e38 that nothing overflows, so far above 2^-149 that an error of 1e-30 is
 * more than all underflows. */
static const double longest = 1e9;
static const double shortest = 1e-15;

static const double rounding = 0x1p-24;

/* Makes up for what the bound itself, a few floats, is rounded by. */
static const double a_little_more = 1 + 1e-6;

/* x as scale * q and the rest: the lengths of the rest and of x. */
static void split_lengths(const float *x, const int8_t *q, float scale, size_t n, double *rest,
                          double *length)
{
    enum { LANES = 4 };
    double r[LANES] = {0};
    double l[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double v = (double)x[i + k];
            double d = v - (double)scale * q[i + k];
            r[k] += d * d;
            l[k] += v * v;
        }
    for (; i < n; i++) {
        double v = (double)x[i];
        double d = v - (double)scale * q[i];
        r[0] += d * d;
        l[0] += v * v;
    }
    *rest = sqrt((r[0] + r[1]) + (r[2] + r[3]));
    *length = sqrt((l[0] + l[1]) + (l[2] + l[3]));
}

static float at_least_shortest(double x)
{
    return (float)(MAX(x, shortest) * a_little_more);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* The nearest power of two, with which a product is exact. */
static float power_of_two(double x)
{
    float f = (float)(x * 1.41421356);
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits &= 0xff800000; /* without the fraction */
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Factors of E's columns, from some of its rows. */
static void choose_factors(const struct model *m, float *row, double *squares, float *factor)
{
    size_t D = (size_t)m->dims.D;
    size_t V = (size_t)m->dims.V;
    for (size_t id = 0; id < V; id += SAMPLED) {
        model_embed_row(m, id, row);
        for (size_t c = 0; c < D; c++)
            squares[c] += (double)row[c] * (double)row[c];
    }
    for (size_t c = 0; c < D; c++)
        factor[c] = power_of_two(infer_column_factor(
            m->final_norm[c], sqrt(squares[c] / (double)DIV_UP(V, (size_t)SAMPLED))));
}

/* Rounds row id to q. */
static void round_row(struct shortlist_head *h, size_t id, const float *factor, float *row,
                      int8_t *q)
{
    const struct model *m = h->weights->model;
    size_t D = (size_t)m->dims.D;
    struct kern_int8_row rounded = {.scale = 1};
    double rest;
    double length;
    if (m->embed.type == NUMBER_Q8) {
        const int8_t *stored = (const int8_t *)m->embed.data + id * D;
        for (size_t c = 0; c < D; c++)
            row[c] = stored[c];
        memcpy(q, stored, D);
        split_lengths(row, q, 1, D, &rest, &length);
        h->scales[id] = m->embed.row_scales[id];
        length *= fabs((double)h->scales[id]);
    } else {
        model_embed_row(m, id, row);
        for (size_t c = 0; c < D; c++)
            row[c] *= factor[c];
        h->weights->kern->exact.int8_round(row, D, q, &rounded);
        split_lengths(row, q, rounded.scale, D, &rest, &length);
        h->scales[id] = rounded.scale;
    }
    h->rest[id] = at_least_shortest(rest);
    h->length[id] = at_least_shortest(length);
    h->usable = h->usable && length <= longest;
}

static int round_rows(struct shortlist_head *h, struct err *e)
{
    const struct model *m = h->weights->model;
    size_t V = (size_t)m->dims.V;
    size_t D = (size_t)m->dims.D;
    size_t stride = ALIGN_UP(D, (size_t)KERN_INT8_ALIGN);
    struct arena scratch;
    if (arena_init(&scratch, h->arena.memory,
                   V * D + stride + D * (2 * sizeof(float) + sizeof(double)) + 5 * PACKED_ALIGN, e))
        return -1;
    float *row = arena_alloc(&scratch, D, sizeof *row);
    float *factor = arena_alloc(&scratch, D, sizeof *factor);
    double *squares = arena_alloc(&scratch, D, sizeof *squares);
    int8_t *bytes = arena_alloc(&scratch, V * D + stride, 1);
    for (size_t c = 0; c < D; c++)
        factor[c] = 1;
    if (m->embed.type != NUMBER_Q8)
        choose_factors(m, row, squares, factor);
    for (size_t id = 0; id < V; id++) /* what is zero beyond a row, the next one covers */
        round_row(h, id, factor, row, bytes + id * D);
    for (size_t c = 0; c < D; c++)
        h->factor[c] = 1 / factor[c];
    h->weights->kern->exact.int8_head_pack(bytes, V, D, h->packed);
    arena_release(&scratch);
    return 0;
}

static void lay_out_head(struct shortlist_head *h)
{
    const struct kern_exact *k = &h->weights->kern->exact;
    size_t V = (size_t)h->weights->model->dims.V;
    size_t D = (size_t)h->weights->model->dims.D;
    h->packed = arena_alloc(&h->arena, ALIGN_UP(k->int8_head_bytes(V, D), PACKED_ALIGN), 1);
    h->scales = arena_alloc(&h->arena, V, sizeof *h->scales);
    h->rest = arena_alloc(&h->arena, V, sizeof *h->rest);
    h->length = arena_alloc(&h->arena, V, sizeof *h->length);
    h->factor = arena_alloc(&h->arena, D, sizeof *h->factor);
}

int shortlist_head_init(struct shortlist_head *h, const struct infer_weights *w,
                        const struct memory *memory, struct err *e)
{
    *h = (struct shortlist_head){.weights = w, .usable = true};
    arena_measure(&h->arena);
    lay_out_head(h);
    if (arena_init(&h->arena, memory, h->arena.used, e))
        return -1;
    lay_out_head(h);
    uint32_t mode = cpu_float_default();
    int rc = round_rows(h, e);
    cpu_float_restore(mode);
    if (rc)
        shortlist_head_release(h);
    return rc;
}

void shortlist_head_release(struct shortlist_head *h)
{
    arena_release(&h->arena);
    *h = (struct shortlist_head){0};
}

/* ---- a list ---------------------------------------------------------------------------------- */

void shortlist_init(struct shortlist *s, const struct shortlist_head *h, const struct dims *d,
                    struct arena *a)
{
    size_t V = (size_t)d->V;
    *s = (struct shortlist){.head = h};
    s->x = arena_alloc(a, (size_t)d->D, sizeof *s->x);
    s->q = arena_alloc(a, ALIGN_UP((size_t)d->D, (size_t)KERN_INT8_ALIGN), sizeof *s->q);
    s->y = arena_alloc(a, V, sizeof *s->y);
    s->ids = arena_alloc(a, 2 * V, sizeof *s->ids);
}

/* A row of activations rounded, and what the errors are multiples of: a |dw| + b |w|. */
struct rounded {
    const struct shortlist *list;
    struct kern_int8_row row;
    float a;
    float b;
    size_t part; /* rows of the head, a multiple of the panel */
    size_t n_parts;
    bool backwards; /* the last part first */
    float *logits;
};

static bool round_input(struct rounded *j, const float *x)
{
    const struct shortlist *s = j->list;
    const struct infer_weights *w = s->head->weights;
    size_t D = (size_t)w->model->dims.D;
    double rest;
    double length;
    for (size_t c = 0; c < D; c++)
        s->x[c] = x[c] * s->head->factor[c];
    w->kern->exact.int8_round(s->x, D, s->q, &j->row);
    split_lengths(s->x, s->q, j->row.scale, D, &rest, &length);
    j->a = at_least_shortest(length + rest);
    j->b = at_least_shortest(rest + (double)(D + 16) * rounding * (length + rest));
    return length <= longest; /* not, if it is no number */
}

static void rounded_part(void *context, size_t task, size_t worker)
{
    const struct rounded *j = context;
    const struct shortlist_head *h = j->list->head;
    const struct kern_exact *k = &h->weights->kern->exact;
    size_t V = (size_t)h->weights->model->dims.V;
    size_t D = (size_t)h->weights->model->dims.D;
    size_t first = (j->backwards ? j->n_parts - 1 - task : task) * j->part;
    uint32_t mode = cpu_float_default();
    (void)worker;
    k->int8_head((const unsigned char *)h->packed + k->int8_head_bytes(first, D), h->scales + first,
                 MIN(V - first, j->part), D, 1, j->list->q, 0, &j->row, j->logits + first, 0);
    cpu_float_restore(mode);
}

/* Exact logits y of ids, which are counted from `first`. */
static void exact_rows(const struct shortlist *s, const float *x, size_t first, const uint16_t *ids,
                       size_t n, float *y)
{
    const struct infer_weights *w = s->head->weights;
    const struct model_embed *embed = &w->model->embed;
    size_t D = (size_t)w->model->dims.D;
    const unsigned char *rows = embed->data;
    w->kern->exact.float_rows(embed->type, rows + first * D * number_bytes(embed->type),
                              embed->row_scales ? embed->row_scales + first : NULL, D, ids, n, x,
                              y);
}

/* Makes the logits from `first` on, which are rounded ones, exact where they must be. */
static bool make_exact(const struct rounded *j, const float *x, size_t first, size_t k)
{
    const struct shortlist *s = j->list;
    const struct kern_exact *kern = &s->head->weights->kern->exact;
    size_t n = (size_t)s->head->weights->model->dims.V - first;
    float *logits = j->logits + first;
    size_t most = n / LIST_SHARE;
    size_t n_high = kern->largest(logits, n, k, s->ids);
    if (n_high > most)
        return false;
    exact_rows(s, x, first, s->ids, n_high, s->y);
    float bound = s->y[0]; /* which k reach */
    for (size_t i = 0; i < n_high; i++) {
        bound = MIN(bound, s->y[i]);
        logits[s->ids[i]] = -INFINITY; /* not once more */
    }
    size_t n_more = kern->reaching(logits, n, j->a, s->head->rest + first, j->b,
                                   s->head->length + first, bound, s->ids + n_high);
    if (n_high + n_more > most)
        return false;
    if (n_more > 0)
        exact_rows(s, x, first, s->ids + n_high, n_more, s->y + n_high);
    for (size_t i = 0; i < n_high + n_more; i++)
        logits[s->ids[i]] = s->y[i];
    return true;
}

bool shortlist_logits(struct shortlist *s, struct infer *f, struct pool *p, size_t row,
                      size_t first, size_t k, float *logits)
{
    const struct infer_weights *w = s->head->weights;
    size_t D = (size_t)w->model->dims.D;
    size_t V = (size_t)w->model->dims.V;
    const float *x = f->hidden + row * D;
    struct rounded j = {.list = s, .backwards = s->backwards, .logits = logits};
    uint32_t mode = cpu_float_default();
    bool made = s->head->usable && k <= (V - first) / LIST_SHARE && round_input(&j, x);
    if (made) {
        j.part = ALIGN_UP((size_t)PART, w->kern->exact.int8_head_panel);
        j.n_parts = DIV_UP(V, j.part);
        s->backwards = !s->backwards; /* what was read last, the caches still hold */
        pool_run(p, rounded_part, &j, j.n_parts);
        made = make_exact(&j, x, first, k);
    }
    cpu_float_restore(mode);
    return made;
}
