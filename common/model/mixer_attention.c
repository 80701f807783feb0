/* Gated causal attention over a window. */
#include "model/mixer.h"

#include <string.h>

#include "model/attend.h"

/* ---- whole sequences ------------------------------------------------------------------------- */

static void attention_init(struct net *n, int block, struct arena *a)
{
    n->block[block].biases =
        arena_alloc(a, (size_t)n->dims.heads * attend_turned(&n->dims), sizeof(float));
}

/* Biases divided by scale, in the order of the keys of a group's first query: the key at place
 * ATTEND_ROWS - 1 + j is window - j positions back. */
static void attention_load(struct net *n, int block)
{
    const struct dims *d = &n->dims;
    const float *bias = n->params + dims_offset(d, TENSOR_DISTANCE, block);
    float *out = n->block[block].biases;
    size_t window = (size_t)d->window;
    for (size_t head = 0; head < (size_t)d->heads; head++, bias += window) {
        struct attend_head h = attend_head(d, head);
        for (size_t x = 0; x < attend_turned(d); x++)
            *out++ = x >= ATTEND_ROWS && x < window + ATTEND_ROWS
                         ? bias[window + ATTEND_ROWS - 1 - x] / h.scale
                         : ATTEND_NEVER;
    }
}

static void group_forward(const struct net *n, int block, const uint32_t *pos, struct span s,
                          size_t head, struct attend *t)
{
    const struct kern *k = n->kern;
    size_t D = (size_t)n->dims.D;
    struct attend_head h = attend_head(&n->dims, head);
    size_t keys = attend_scores(t, n, block, &h, pos, s);
    size_t cells = DIV_UP(keys, k->unit);
    for (size_t i = 0; i < s.count; i++)
        k->attend(t->scores.floats + i * keys, NULL, h.scale, keys);
    attend_cells(k, &t->scores, s.count, keys, true, false);
    attend_cells(k, &t->v, keys, h.value_width, false, true);
    k->product(s.count, h.value_width, cells, t->scores.rows, cells, 1,
               (struct kern_b){t->v.columns, h.value_width, false},
               n->block[block].acts.mix + s.first * D + head * h.value_width, D, false);
}

static void attention_forward(const struct net *n, int block, const uint32_t *pos, struct span s,
                              size_t worker)
{
    for (size_t i = 0; i < s.count; i += ATTEND_ROWS) {
        struct span group = {s.first + i, MIN(s.count - i, (size_t)ATTEND_ROWS)};
        for (size_t head = 0; head < (size_t)n->dims.heads; head++)
            group_forward(n, block, pos, group, head, &n->attend[worker]);
    }
}

static double attention_work(const struct dims *d)
{
    return (double)d->window * ((double)d->heads * d->key_width + d->D);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Biases [heads][window], that of the farthest position first. */
static void attention_pack(struct infer_weights *w, int block)
{
    const struct dims *d = &w->model->dims;
    size_t window = (size_t)d->window;
    size_t n = (size_t)d->heads * window;
    float *out = arena_alloc(&w->arena, n, sizeof *out);
    const float *bias = w->model->block[block].distance;
    w->block[block].biases = out;
    for (size_t i = 0; out && i < n; i++)
        out[i] = bias[i / window * window + window - 1 - i % window];
}

/* The last `window` keys, as columns of [heads key_width][2 window], and values, as rows of [2
 * window][D]: that of position t at t mod window, and the same again `window` places later, so that
 * those up to any position stand side by side, oldest first. */
static size_t attention_state(const struct dims *d, int block)
{
    (void)block;
    return 2 * (size_t)d->window * (size_t)(d->heads * d->key_width + d->D);
}

static void attention_row(struct infer *f, int block, float *state, size_t i)
{
    const struct dims *d = &f->weights->model->dims;
    size_t D = (size_t)d->D;
    size_t window = (size_t)d->window;
    size_t all = (size_t)(d->heads * d->key_width);
    size_t place = (size_t)(f->position[i] % window);
    size_t n = (size_t)MIN((uint64_t)window, f->position[i] + 1);
    size_t oldest = window + place + 1 - n;
    float *values = state + all * 2 * window;
    const float *query = f->query_key + i * 2 * all;
    for (size_t c = 0; c < all; c++) {
        float *keys = state + c * 2 * window;
        keys[place] = keys[window + place] = query[all + c];
    }
    memcpy(values + place * D, f->mixer_value + i * D, D * sizeof *values);
    memcpy(values + (window + place) * D, f->mixer_value + i * D, D * sizeof *values);
    for (size_t head = 0; head < (size_t)d->heads; head++) {
        struct attend_head h = attend_head(d, head);
        struct kern_attend a = {
            .query = query + head * h.key_width,
            .keys = state + head * h.key_width * 2 * window + oldest,
            .bias = f->weights->block[block].biases + head * window + window - n,
            .values = values + oldest * D + head * h.value_width,
            .n = n,
            .key_width = h.key_width,
            .value_width = h.value_width,
            .key_stride = 2 * window,
            .value_stride = D,
            .scale = h.scale,
            .weights = f->weights_room,
            .out = f->mixed + i * D + head * h.value_width,
        };
        f->weights->kern->exact.attend(&a);
    }
}

static void attention_step(struct infer *f, int block, const struct infer_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        attention_row(f, block, rows[i].stream->state[block], i);
}

const struct mixer mixer_attention = {
    .init = attention_init,
    .load = attention_load,
    .forward = attention_forward,
    .work = attention_work,
    .pack = attention_pack,
    .state = attention_state,
    .step = attention_step,
};
