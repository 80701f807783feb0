#include "model/teller.h"

#include <assert.h>

void teller_init(struct teller *t, const struct infer_weights *w, size_t max_rows, struct arena *a)
{
    size_t V = (size_t)w->model->dims.V;
    infer_init(&t->infer, w, max_rows, a);
    sampler_scratch_init(&t->scratch, w->kern, V, a);
    t->logits = arena_alloc(a, MIN(max_rows, (size_t)TELLER_HEAD_ROWS) * V, sizeof *t->logits);
    t->n_rows = 0;
}

void teller_story_init(struct teller_story *s, const struct dims *d, struct arena *a)
{
    infer_stream_init(&s->stream, d, a);
}

void teller_begin(struct teller_story *s, const struct sampler_options *o, uint64_t seed,
                  uint64_t stream)
{
    infer_stream_reset(&s->stream);
    sampler_init(&s->sampler, o, seed);
    sampler_reset(&s->sampler, seed, stream);
    s->token = DIMS_EOS;
    s->read = false;
}

void teller_take(struct teller *t, struct teller_story *s, uint16_t token)
{
    teller_add(t, s);
    s->token = token;
    s->read = false;
    if (token != DIMS_EOS)
        sampler_accept(&s->sampler, token);
}

void teller_take_long(struct teller *t, struct infer_readers *r, struct teller_story *s,
                      const uint16_t *tokens, size_t n)
{
    teller_add(t, s);
    teller_read(t);
    if (n > 1)
        infer_read(r, &t->infer, &s->stream, tokens, n - 1);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] != DIMS_EOS)
            sampler_accept(&s->sampler, tokens[i]);
    s->token = tokens[n - 1];
    s->read = false;
}

void teller_add(struct teller *t, struct teller_story *s)
{
    if (s->read)
        return;
    if (t->n_rows == t->infer.max_rows)
        teller_read(t);
    t->rows[t->n_rows++] = (struct infer_row){&s->stream, s->token};
    s->read = true;
}

size_t teller_read(struct teller *t)
{
    size_t n = t->n_rows;
    if (n > 0)
        infer_feed(&t->infer, t->rows, n);
    t->n_rows = 0;
    return n;
}

void teller_drop(struct teller *t)
{
    t->n_rows = 0;
}

float *teller_logits(struct teller *t, struct teller_story *s)
{
    assert(!s->read);
    teller_add(t, s);
    infer_head(&t->infer, teller_read(t) - 1, 1, t->logits);
    return t->logits;
}

uint16_t teller_draw(struct teller *t, struct teller_story *s, const float *logits, float *logprob)
{
    return sampler_draw(&s->sampler, &t->scratch, logits, logprob);
}
