#include "model/attend.h"

#include <math.h>
#include <string.h>

struct attend_head attend_head(const struct dims *d, size_t head)
{
    return (struct attend_head){head, (size_t)d->key_width, (size_t)(d->D / d->heads),
                                (size_t)d->window, 1.0f / sqrtf((float)d->key_width)};
}

size_t attend_turned(const struct dims *d)
{
    return (size_t)d->window + 2 * ATTEND_ROWS;
}

static void matrix_init(struct attend_matrix *m, const struct kern *k, size_t rows, size_t cols,
                        struct arena *a)
{
    m->floats = m->rows = m->columns = arena_alloc(a, rows * cols, sizeof(float));
    if (k->unit == 1)
        return;
    m->rows = arena_alloc(a, rows * DIV_UP(cols, k->unit), sizeof(uint32_t));
    m->columns = arena_alloc(a, DIV_UP(rows, k->unit) * cols, sizeof(uint32_t));
}

static void attend_init(struct attend *t, const struct dims *d, const struct kern *k, bool back,
                        struct arena *a)
{
    struct attend_head h = attend_head(d, 0);
    size_t keys = h.window + ATTEND_ROWS;
    size_t widest = MAX(h.key_width, h.value_width);
    *t = (struct attend){0};
    matrix_init(&t->q, k, ATTEND_ROWS, h.key_width, a);
    matrix_init(&t->k, k, keys, h.key_width, a);
    matrix_init(&t->v, k, keys, h.value_width, a);
    matrix_init(&t->scores, k, ATTEND_ROWS, keys, a);
    if (back) {
        matrix_init(&t->d_mix, k, ATTEND_ROWS, h.value_width, a);
        matrix_init(&t->d_score, k, ATTEND_ROWS, keys, a);
    }
    t->packed =
        arena_alloc(a, kern_packed_cells(k, DIV_UP(widest, k->unit), keys), sizeof(uint32_t));
}

struct attend *attend_workers(const struct dims *d, const struct kern *k, bool back,
                              size_t n_workers, struct arena *a)
{
    struct attend *out = arena_alloc(a, n_workers, sizeof *out);
    struct attend measured;
    for (size_t i = 0; i < n_workers; i++)
        attend_init(out ? &out[i] : &measured, d, k, back, a);
    return out;
}

void attend_cells(const struct kern *k, struct attend_matrix *x, size_t rows, size_t cols,
                  bool by_rows, bool by_columns)
{
    if (k->unit > 1)
        k->operand(x->floats, rows, cols, by_rows ? x->rows : NULL, by_columns ? x->columns : NULL);
}

/* Rows [first, first + count), of which the first `before` are not there, of a matrix whose rows
 * are `stride` apart. */
static void gather(const float *x, size_t stride, size_t before, size_t count, size_t width,
                   float *out)
{
    memset(out, 0, before * width * sizeof *out);
    for (size_t i = before; i < count; i++)
        memcpy(out + i * width, x + (i - before) * stride, width * sizeof *out);
}

/* scores = bias / scale of what each query sees. Query i sees the keys j with window + i - pos <= j
 * and i < j <= window + i. */
static void set_biases(const struct net *n, int block, const struct attend_head *h,
                       const uint32_t *pos, struct span s, float *scores)
{
    size_t keys = h->window + s.count;
    const float *turned = n->block[block].biases + h->head * attend_turned(&n->dims);
    for (size_t i = 0; i < s.count; i++, scores += keys) {
        memcpy(scores, turned + ATTEND_ROWS - 1 - i, keys * sizeof *scores);
        size_t back = MIN((size_t)pos[s.first + i], h->window);
        for (size_t j = 0; j < h->window + i - back; j++)
            scores[j] = ATTEND_NEVER;
    }
}

size_t attend_scores(struct attend *t, const struct net *n, int block, const struct attend_head *h,
                     const uint32_t *pos, struct span s)
{
    const struct kern *k = n->kern;
    const struct net_acts *acts = &n->block[block].acts;
    size_t D = (size_t)n->dims.D;
    size_t all = (size_t)n->dims.heads * h->key_width; /* a row has queries, then keys */
    size_t keys = h->window + s.count;
    size_t before = h->window > s.first ? h->window - s.first : 0;
    size_t first = s.first + before - h->window;
    size_t cells = DIV_UP(h->key_width, k->unit);
    const float *query = acts->query_key + s.first * 2 * all + h->head * h->key_width;
    const float *key = acts->query_key + first * 2 * all + all + h->head * h->key_width;
    const float *value = acts->gate_value + first * 2 * D + D + h->head * h->value_width;
    gather(query, 2 * all, 0, s.count, h->key_width, t->q.floats);
    gather(key, 2 * all, before, keys, h->key_width, t->k.floats);
    gather(value, 2 * D, before, keys, h->value_width, t->v.floats);
    attend_cells(k, &t->q, s.count, h->key_width, true, false);
    set_biases(n, block, h, pos, s, t->scores.floats);
    k->pack(t->k.floats, keys, h->key_width, 0, keys, t->packed);
    k->product(s.count, keys, cells, t->q.rows, cells, 1, (struct kern_b){t->packed, 0, false},
               t->scores.floats, keys, true);
    return keys;
}
