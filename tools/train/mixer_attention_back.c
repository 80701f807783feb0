/* Back through attention: beside model/mixer_attention.c.
 *
 *   s_ij = scale q_i . k_j + bias[i - j],   w_i = softmax of s_i,   mix_i = sum over j of w_ij v_j
 *
 * so, of each head, with e_ij = w_ij (d_mix_i . v_j - sum over l of w_il d_mix_i . v_l):
 *
 *   d_q_i = scale sum over j of e_ij k_j         d_v_j = sum over i of w_ij d_mix_i
 *   d_k_j = scale sum over i of e_ij q_i         d_bias[t] = sum over i of e_i,i-t
 *
 * A tile has what its queries give: d_q of its own rows, and its part of d_k and d_v of its rows
 * and the `window` before them, which it keeps in tile_keys [n_tiles][window + NET_TILE][heads
 * key_width, then D]. After the barrier each row adds up the parts of all tiles that saw it, in
 * their order. */
#include "train/mixer_back.h"

#include <string.h>

#include "model/attend.h"

static size_t keys_width(const struct dims *d)
{
    return (size_t)(d->heads * d->key_width + d->D);
}

static size_t tile_keys_size(const struct dims *d)
{
    return ((size_t)d->window + NET_TILE) * keys_width(d);
}

static void attention_init(struct grad *g, int n_workers, struct arena *a)
{
    const struct dims *d = &g->net->dims;
    const struct kern *k = g->net->kern;
    struct operand_use both = {.keep_floats = true, .keep_columns = true};
    operand_init(&g->d_query_key, k, g->net->max_rows, 2 * (size_t)(d->heads * d->key_width), both,
                 a);
    g->tile_keys = arena_alloc(a, g->n_tiles * tile_keys_size(d), sizeof(float));
    g->attend = attend_workers(d, k, true, (size_t)n_workers, a);
}

static size_t attention_n_sums(const struct dims *d)
{
    return (size_t)d->heads * attend_turned(d);
}

/* One head of a group, whose first key is row 0 of `keys`. */
static void group_back(const struct grad *g, struct span s, size_t head, struct attend *t,
                       float *keys_out, float *turned)
{
    const struct net *n = g->net;
    const struct kern *k = n->kern;
    const struct dims *d = &n->dims;
    struct attend_head h = attend_head(d, head);
    size_t D = (size_t)d->D;
    size_t all = (size_t)(d->heads * d->key_width);
    size_t keys = attend_scores(t, n, g->block, &h, g->part.pos, s);
    size_t row_cells = DIV_UP(s.count, k->unit);
    size_t key_cells = DIV_UP(keys, k->unit);
    size_t value_cells = DIV_UP(h.value_width, k->unit);
    float *e = t->d_score.floats;
    for (size_t i = 0; i < s.count; i++)
        memcpy(t->d_mix.floats + i * h.value_width,
               g->d_mix + (s.first + i) * D + head * h.value_width, h.value_width * sizeof(float));
    attend_cells(k, &t->d_mix, s.count, h.value_width, true, true);
    k->pack(t->v.floats, keys, h.value_width, 0, keys, t->packed);
    k->product(s.count, keys, value_cells, t->d_mix.rows, value_cells, 1,
               (struct kern_b){t->packed, 0, false}, e, keys, false);
    for (size_t i = 0; i < s.count; i++) { /* e, times scale */
        k->attend(t->scores.floats + i * keys, e + i * keys, h.scale, keys);
        k->add(e + i * keys, keys, turned + ATTEND_ROWS - 1 - i);
    }
    attend_cells(k, &t->scores, s.count, keys, false, true);
    attend_cells(k, &t->d_score, s.count, keys, true, true);
    attend_cells(k, &t->q, s.count, h.key_width, false, true);
    attend_cells(k, &t->k, keys, h.key_width, false, true);
    k->product(s.count, h.key_width, key_cells, t->d_score.rows, key_cells, 1,
               (struct kern_b){t->k.columns, h.key_width, false},
               g->d_query_key.floats + s.first * 2 * all + head * h.key_width, 2 * all, false);
    k->product(keys, h.key_width, row_cells, t->d_score.columns, 1, keys,
               (struct kern_b){t->q.columns, h.key_width, false}, keys_out + head * h.key_width,
               keys_width(d), true);
    k->product(keys, h.value_width, row_cells, t->scores.columns, 1, keys,
               (struct kern_b){t->d_mix.columns, h.value_width, false},
               keys_out + all + head * h.value_width, keys_width(d), true);
}

static void attention_own(const struct grad *g, struct span s, size_t worker, float *sums)
{
    const struct dims *d = &g->net->dims;
    size_t turned = attend_turned(d);
    float *keys = g->tile_keys + s.first / NET_TILE * tile_keys_size(d);
    memset(keys, 0, tile_keys_size(d) * sizeof *keys);
    memset(sums, 0, (size_t)d->heads * turned * sizeof *sums);
    for (size_t i = 0; i < s.count; i += ATTEND_ROWS) {
        struct span group = {s.first + i, MIN(s.count - i, (size_t)ATTEND_ROWS)};
        for (size_t head = 0; head < (size_t)d->heads; head++)
            group_back(g, group, head, &g->attend[worker], keys + i * keys_width(d),
                       sums + head * turned);
    }
}

static void attention_later(const struct grad *g, struct span s, float *sums)
{
    const struct dims *d = &g->net->dims;
    const struct kern *k = g->net->kern;
    size_t D = (size_t)d->D;
    size_t all = (size_t)(d->heads * d->key_width);
    size_t window = (size_t)d->window;
    size_t n_tiles = DIV_UP(g->part.rows, (size_t)NET_TILE);
    (void)sums;
    for (size_t r = s.first; r < s.first + s.count; r++) {
        float *d_key = g->d_query_key.floats + r * 2 * all + all;
        float *d_value = g->d_gate_value.floats + r * 2 * D + D;
        size_t last = MIN((r + window) / NET_TILE, n_tiles - 1);
        memset(d_key, 0, all * sizeof *d_key);
        memset(d_value, 0, D * sizeof *d_value);
        for (size_t tile = s.first / NET_TILE; tile <= last; tile++) {
            const float *keys = g->tile_keys + tile * tile_keys_size(d) +
                                (r + window - tile * NET_TILE) * keys_width(d);
            k->add(keys, all, d_key);
            k->add(keys + all, D, d_value);
        }
    }
}

/* The sums are those of e times scale, in the order of the keys (attend.h). */
static void attention_add_up(const struct grad *g, const float *sums, size_t stride, size_t n_tiles)
{
    const struct dims *d = &g->net->dims;
    size_t window = (size_t)d->window;
    float *out = grad_of(g, TENSOR_DISTANCE, g->block);
    for (size_t head = 0; head < (size_t)d->heads; head++, sums += attend_turned(d)) {
        float scale = attend_head(d, head).scale;
        for (size_t back = 0; back < window; back++) {
            const float *of_tile = sums + ATTEND_ROWS - 1 + window - back;
            float sum = g->first > 0 ? *out : 0;
            for (size_t t = 0; t < n_tiles; t++, of_tile += stride)
                sum += *of_tile;
            *out++ = grad_in_last_part(g) ? sum / scale : sum;
        }
    }
}

const struct mixer_back mixer_attention_back = {
    .init = attention_init,
    .n_sums = attention_n_sums,
    .own = attention_own,
    .later = attention_later,
    .add_up = attention_add_up,
};
