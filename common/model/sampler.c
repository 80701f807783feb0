#include "model/sampler.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "dims/dims.h"

struct sampler_candidate {
    double weight; /* e^((logit - highest) / temperature) */
    float logit;   /* finite */
    uint16_t id;
};

struct sampler_options sampler_defaults(void)
{
    return (struct sampler_options){
        .temperature = 0.8f, .top_k = 50, .top_p = 1, .min_p = 0, .repeat_penalty = 1};
}

void sampler_init(struct sampler *s, const struct sampler_options *o, uint64_t seed)
{
    *s = (struct sampler){.options = *o};
    sampler_reset(s, seed, 0);
}

void sampler_scratch_init(struct sampler_scratch *w, const struct kern *k, size_t n_vocab,
                          struct arena *a)
{
    assert(n_vocab > DIMS_EOS);
    *w = (struct sampler_scratch){.kern = k, .n_vocab = n_vocab};
    w->candidates = arena_alloc(a, n_vocab, sizeof *w->candidates);
}

void sampler_reset(struct sampler *s, uint64_t seed, uint64_t stream)
{
    rng_seed(&s->rng, seed, stream);
    s->n_recent = 0;
}

void sampler_accept(struct sampler *s, uint16_t token)
{
    s->recent[s->n_recent++ % ARRAY_LEN(s->recent)] = token;
}

/* A total order: higher logit first, lower id on a tie. */
static bool before(const struct sampler_candidate *a, const struct sampler_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

/* Candidate 0 is EOS, the first id that may be drawn. Weights of a broken model that overflows stay
 * comparable: NaN counts as the lowest logit. */
static size_t fill(struct sampler_scratch *w, const float *logits)
{
    size_t n = w->n_vocab - DIMS_EOS;
    for (size_t i = 0; i < n; i++) {
        float x = logits[DIMS_EOS + i];
        x = x > -FLT_MAX ? MIN(x, FLT_MAX) : -FLT_MAX;
        w->candidates[i] = (struct sampler_candidate){.logit = x, .id = (uint16_t)(DIMS_EOS + i)};
    }
    return n;
}

/* Each token among the recent ones counts once, however often it stands there. */
static void penalise(const struct sampler *s, struct sampler_scratch *w)
{
    float penalty = s->options.repeat_penalty;
    size_t n = (size_t)MIN(s->n_recent, (uint64_t)ARRAY_LEN(s->recent));
    for (size_t i = 0; i < n; i++) {
        uint16_t id = s->recent[i];
        bool met = id < DIMS_EOS || id >= w->n_vocab;
        for (size_t j = 0; j < i && !met; j++)
            met = s->recent[j] == id;
        if (met)
            continue;
        float *x = &w->candidates[id - DIMS_EOS].logit;
        float y = *x > 0 ? *x / penalty : *x * penalty;
        *x = MAX(-FLT_MAX, MIN(y, FLT_MAX));
    }
}

static size_t find_best(const struct sampler_candidate *c, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (before(&c[i], &c[best]))
            best = i;
    return best;
}

static void sift_down(struct sampler_candidate *heap, size_t i, size_t n)
{
    struct sampler_candidate item = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &item))
            break;
        heap[i] = heap[child];
    }
    heap[i] = item;
}

/* Keeps the best candidates: at most `max` of them, and no more than reach `mass` in weight, but
 * one at least. Moves them to the front, returns how many. A heap takes only what is wanted:
 * selecting 50 of 10,000 is far cheaper than sorting. */
static size_t keep_best(struct sampler_candidate *c, size_t n, size_t max, double mass)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(c, i, n);
    size_t left = n;
    double sum = 0;
    while (left > 0 && n - left < max && (left == n || sum < mass)) {
        struct sampler_candidate best = c[0];
        left--;
        c[0] = c[left];
        sift_down(c, 0, left);
        c[left] = best;
        sum += best.weight;
    }
    memmove(c, c + left, (n - left) * sizeof *c);
    return n - left;
}

static double sum_weights(const struct sampler_candidate *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].weight;
    return sum;
}

/* Top-k, then weights at the temperature, then top-p, then min-p. Returns how many are left. */
static size_t filter(const struct sampler_options *o, struct sampler_candidate *c, size_t n)
{
    if (o->top_k > 0 && (size_t)o->top_k < n)
        n = keep_best(c, n, (size_t)o->top_k, INFINITY);
    double highest = c[find_best(c, n)].logit;
    for (size_t i = 0; i < n; i++)
        c[i].weight = fmath_exp((c[i].logit - highest) / o->temperature);
    if (o->top_p < 1)
        n = keep_best(c, n, n, o->top_p * sum_weights(c, n));
    if (o->min_p > 0) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            if (c[i].weight >= o->min_p) /* the highest weight is 1 */
                c[kept++] = c[i];
        n = kept;
    }
    return n;
}

static uint16_t draw(struct sampler *s, const struct sampler_candidate *c, size_t n)
{
    double left = rng_unit(&s->rng) * sum_weights(c, n);
    for (size_t i = 0; i + 1 < n; i++) {
        left -= c[i].weight;
        if (left < 0)
            return c[i].id;
    }
    return c[n - 1].id;
}

static float log_softmax(const float *logits, size_t n, uint16_t id)
{
    double highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        highest = MAX(highest, (double)logits[i]);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fmath_exp(logits[i] - highest);
    return (float)(logits[id] - highest - fmath_log(sum));
}

uint16_t sampler_draw(struct sampler *s, struct sampler_scratch *w, const float *logits,
                      float *logprob)
{
    size_t n = fill(w, logits);
    if (s->options.repeat_penalty != 1)
        penalise(s, w);
    uint16_t id;
    if (s->options.temperature > 0) {
        n = filter(&s->options, w->candidates, n);
        id = draw(s, w->candidates, n);
    } else {
        id = w->candidates[find_best(w->candidates, n)].id;
    }
    if (logprob)
        *logprob = log_softmax(logits, w->n_vocab, id);
    return id;
}
