#include "model/step.h"

#include <assert.h>
#include <string.h>

void step_init(struct step *s, const struct model *m, const struct kern *k, struct arena *a)
{
    const struct dims *d = &m->dims;
    size_t D = (size_t)d->D;
    size_t K = (size_t)d->K;
    *s = (struct step){.model = m, .kern = k};
    for (int l = 0; l < d->L; l++) {
        struct step_block *b = &s->block[l];
        b->n_ring = (K - 1) * (size_t)d->dilation[l] + 1;
        b->taps = arena_alloc(a, K * D, sizeof(float));
        b->ring = arena_alloc(a, 2 * b->n_ring * D, sizeof(float));
        if (!b->taps)
            continue; /* measuring */
        for (size_t c = 0; c < D; c++)
            for (size_t i = 0; i < K; i++)
                b->taps[i * D + c] = m->block[l].conv[c * K + i];
    }
    s->x = arena_alloc(a, D, sizeof(float));
    s->norm = arena_alloc(a, D, sizeof(float));
    s->gate = arena_alloc(a, D, sizeof(float));
    s->mix = arena_alloc(a, D, sizeof(float));
    s->out = arena_alloc(a, D, sizeof(float));
    s->a = arena_alloc(a, (size_t)d->H, sizeof(float));
    s->b = arena_alloc(a, (size_t)d->H, sizeof(float));
    s->h = arena_alloc(a, (size_t)d->H, sizeof(float));
    s->logits = arena_alloc(a, (size_t)d->V, sizeof(float));
}

void step_reset(struct step *s)
{
    /* Rings need no clearing: the convolution takes no tap from before position 0. */
    s->position = 0;
}

static void apply(const struct kern *k, const struct model_tern *w, const float *x, float *y)
{
    k->tern_vec(w->codes, w->rows, w->cols, w->alpha, x, y);
}

/* Half of the up projection: rows [first, first + D). */
static void apply_half(const struct kern *k, const struct model_tern *w, size_t first,
                       const float *x, float *y)
{
    const uint8_t *codes = w->codes + first * DIV_UP(w->cols, 4);
    k->tern_vec(codes, w->rows / 2, w->cols, w->alpha, x, y);
}

/* x += W (conv(v, C) * sigmoid(g)), v going straight to its place in the ring. */
static void mix(struct step *s, const struct model_block *w, const struct step_block *b,
                size_t back)
{
    const struct kern *k = s->kern;
    size_t D = (size_t)s->model->dims.D;
    size_t K = (size_t)s->model->dims.K;
    float rstd;
    k->rmsnorm(s->x, w->norm1, D, DIMS_NORM_EPS, s->norm, &rstd);
    apply_half(k, &w->up, 0, s->norm, s->gate);

    size_t row = (size_t)(s->position % b->n_ring);
    float *v = b->ring + (b->n_ring + row) * D;
    apply_half(k, &w->up, D, s->norm, v);
    memcpy(b->ring + row * D, v, D * sizeof *v);

    size_t n_taps = (size_t)MIN((uint64_t)K, s->position / back + 1);
    k->conv(v, back * D, b->taps + (K - n_taps) * D, n_taps, D, s->mix);
    k->gate(s->mix, s->gate, D, s->out);
    apply(k, &w->down, s->out, s->mix);
    k->add(s->mix, D, s->x);
}

/* x += Wd (silu(Wg n) * (Wu n)). */
static void feed_forward(struct step *s, const struct model_block *w)
{
    const struct kern *k = s->kern;
    size_t D = (size_t)s->model->dims.D;
    size_t H = (size_t)s->model->dims.H;
    float rstd;
    k->rmsnorm(s->x, w->norm2, D, DIMS_NORM_EPS, s->norm, &rstd);
    apply(k, &w->gate, s->norm, s->a);
    apply(k, &w->ffn_up, s->norm, s->b);
    k->swiglu(s->a, s->b, H, s->h);
    apply(k, &w->ffn_down, s->h, s->out);
    k->add(s->out, D, s->x);
}

void step_prefill(struct step *s, uint16_t token)
{
    const struct model *m = s->model;
    assert(token < m->dims.V);
    model_embed_row(m, token, s->x);
    for (int l = 0; l < m->dims.L; l++) {
        mix(s, &m->block[l], &s->block[l], (size_t)m->dims.dilation[l]);
        feed_forward(s, &m->block[l]);
    }
    s->position++;
}

const float *step_token(struct step *s, uint16_t token)
{
    const struct model *m = s->model;
    size_t D = (size_t)m->dims.D;
    float rstd;
    step_prefill(s, token);
    s->kern->rmsnorm(s->x, m->final_norm, D, DIMS_NORM_EPS, s->norm, &rstd);
    s->kern->mat_vec(m->embed.data, (size_t)m->dims.V, D, s->norm, s->logits);
    return s->logits;
}
