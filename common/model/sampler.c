/* sampler.c - a draw looks at few tokens. The kernels find a set of ids that holds the highest
 * logits and little else; only these are sorted and weighted. Where the filters do not say how many
 * are enough (top-k is off), more are fetched as long as the draw may need them.
 *
 * Logits are ordered as numbers, the lower id first on a tie, NaN below all: a total order, so the
 * same token is drawn however large the set is that a level finds. Weights are floats, by the exact
 * e^x; their sums are doubles in that order. */
#include "model/sampler.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "dims/dims.h"

enum {
    FETCH = 64, /* candidates at first, where top-k is off; then FETCH_MORE times as many */
    FETCH_MORE = 8,
    RANK_MOST = 192, /* more are sorted by radix */
    RANK_LANES = 4
};

struct sampler_options sampler_defaults(void)
{
    return (struct sampler_options){
        .temperature = 0.8f, .top_k = 50, .top_p = 1, .min_p = 0, .repeat_penalty = 1};
}

size_t sampler_reach(const struct sampler_options *o)
{
    if (o->repeat_penalty != 1)
        return 0;
    return o->temperature > 0 ? (size_t)o->top_k : 1;
}

void sampler_init(struct sampler *s, const struct sampler_options *o, uint64_t seed)
{
    *s = (struct sampler){.options = *o};
    sampler_reset(s, seed, 0);
}

void sampler_scratch_init(struct sampler_scratch *w, const struct kern *k, size_t n_vocab,
                          struct arena *a)
{
    assert(n_vocab > DIMS_EOS && n_vocab <= 65536);
    *w = (struct sampler_scratch){.kern = k, .n_vocab = n_vocab};
    w->logits = arena_alloc(a, n_vocab, sizeof *w->logits);
    w->weights = arena_alloc(a, n_vocab, sizeof *w->weights);
    w->ids = arena_alloc(a, n_vocab, sizeof *w->ids);
    w->keys[0] = arena_alloc(a, n_vocab, sizeof *w->keys[0]);
    w->keys[1] = arena_alloc(a, n_vocab, sizeof *w->keys[1]);
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

/* ---- the highest logits, in order ------------------------------------------------------------ */

/* The logit as a whole number, ascending; NaN is the least, -0 is 0. */
static int32_t key_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? INT32_MIN : bits < 0 ? INT32_MIN - bits : bits;
}

typedef int32_t rank_vec __attribute__((vector_size(RANK_LANES * sizeof(int32_t))));

/* A few: the place of each is the number of those above it. Counting is done in vectors, and has no
 * branch to mispredict. */
static void sort_by_rank(const float *x, uint16_t *ids, size_t n)
{
    rank_vec keys[RANK_MOST / RANK_LANES];
    uint16_t sorted[RANK_MOST];
    uint8_t equal[RANK_MOST] = {0}; /* met before, by rank */
    size_t n_vecs = DIV_UP(n, (size_t)RANK_LANES);
    for (size_t i = 0; i < n_vecs * RANK_LANES; i++)
        keys[i / RANK_LANES][i % RANK_LANES] = i < n ? key_of(x[ids[i]]) : INT32_MIN;
    for (size_t i = 0; i < n; i++) {
        int32_t key = keys[i / RANK_LANES][i % RANK_LANES];
        rank_vec less_above = {0};
        int32_t rank = 0;
        for (size_t v = 0; v < n_vecs; v++)
            less_above += keys[v] > key; /* -1 where true */
        for (size_t l = 0; l < RANK_LANES; l++)
            rank -= less_above[l];
        sorted[rank + equal[rank]++] = ids[i];
    }
    memcpy(ids, sorted, n * sizeof *ids);
}

/* By the bytes of the keys, upside down, from the lowest; each pass leaves equal ones in order. */
static void sort_by_radix(struct sampler_scratch *w, const float *x, size_t n)
{
    uint64_t *from = w->keys[0];
    uint64_t *to = w->keys[1];
    for (size_t i = 0; i < n; i++)
        from[i] = (uint64_t)(0x7fffffffu - (uint32_t)key_of(x[w->ids[i]])) << 16 | w->ids[i];
    for (int shift = 16; shift < 48; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < n; i++)
            start[(from[i] >> shift & 0xff) + 1]++;
        for (size_t b = 0; b < 256; b++)
            start[b + 1] += start[b];
        for (size_t i = 0; i < n; i++)
            to[start[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *other = from;
        from = to;
        to = other;
    }
    for (size_t i = 0; i < n; i++)
        w->ids[i] = (uint16_t)from[i];
}

/* Makes ids begin with those of the k highest of x, in order. */
static void take_highest(struct sampler_scratch *w, const float *x, size_t n, size_t k)
{
    size_t n_found = w->kern->exact.largest(x, n, k, w->ids);
    if (n_found <= RANK_MOST)
        sort_by_rank(x, w->ids, n_found);
    else
        sort_by_radix(w, x, n_found);
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Logarithm of the weight beside the highest's, which is 1. A model that overflows must not draw
 * nonsense: infinities are equal, NaN has no weight unless there is nothing else. */
static float log_weight(float x, float highest, float scale)
{
    if (x == highest || isnan(highest))
        return 0;
    return isnan(x) ? -INFINITY : (x - highest) * scale;
}

/* Sum of the weights of all. In lanes, always the same ones. */
static double weigh_all(struct sampler_scratch *w, const float *x, size_t n, float highest,
                        float scale)
{
    enum { LANES = 8 };
    double sum[LANES] = {0};
    float *y = w->weights;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            y[i + l] = (x[i + l] - highest) * scale;
    for (; i < n; i++)
        y[i] = (x[i] - highest) * scale;
    w->kern->exact.exp(y, n, y);
    for (i = 0; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += (double)y[i + l];
    for (; i < n; i++)
        sum[i % LANES] += (double)y[i];
    for (size_t l = 1; l < LANES; l++)
        sum[0] += sum[l];
    return sum[0];
}

/* The same where a logit is not finite. */
static double weigh_all_broken(struct sampler_scratch *w, const float *x, size_t n, float highest,
                               float scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        w->weights[i] = log_weight(x[i], highest, scale);
    w->kern->exact.exp(w->weights, n, w->weights);
    for (size_t i = 0; i < n; i++)
        sum += (double)w->weights[i];
    return sum;
}

/* Weights of the first k of ids; returns their sum. */
static double weigh_first(struct sampler_scratch *w, const float *x, size_t k, float highest,
                          float scale)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        w->weights[i] = log_weight(x[w->ids[i]], highest, scale);
    w->kern->exact.exp(w->weights, k, w->weights);
    for (size_t i = 0; i < k; i++)
        sum += (double)w->weights[i];
    return sum;
}

/* ---- filters --------------------------------------------------------------------------------- */

/* How many of the first k top-p and min-p keep, `total` being the weight of all that top-k keeps;
 * *mass is the weight of those kept. */
static size_t keep(const struct sampler_options *o, const float *weights, size_t k, double total,
                   double *mass)
{
    double enough = o->top_p < 1 ? (double)o->top_p * total : INFINITY;
    double sum = 0;
    size_t n = 0;
    while (n < k && (n == 0 || (sum < enough && weights[n] >= o->min_p)))
        sum += (double)weights[n++];
    *mass = sum;
    return n;
}

/* The first candidate at which the sum of weights exceeds left; k if none is. */
static size_t walk(const float *weights, size_t k, double left)
{
    size_t i = 0;
    while (i < k && (left -= (double)weights[i]) >= 0)
        i++;
    return i;
}

static size_t draw_of_top_k(struct sampler_scratch *w, const struct sampler_options *o,
                            const float *x, size_t n, double unit, float scale)
{
    size_t k = (size_t)o->top_k;
    double mass;
    take_highest(w, x, n, k);
    double total = weigh_first(w, x, k, x[w->ids[0]], scale);
    k = keep(o, w->weights, k, total, &mass);
    return w->ids[MIN(walk(w->weights, k, unit * mass), k - 1)];
}

/* More and more candidates, until one of those that follow could not be drawn. */
static size_t draw_of_all(struct sampler_scratch *w, const struct sampler_options *o,
                          const float *x, size_t n, double unit, float scale)
{
    float highest = x[w->kern->exact.argmax(x, n)];
    bool cut = o->top_p < 1 || o->min_p > 0;
    double total = 0;
    if (o->top_p < 1 || !cut) {
        total = weigh_all(w, x, n, highest, scale);
        if (isnan(total))
            total = weigh_all_broken(w, x, n, highest, scale);
    }
    for (size_t k = MIN(n, (size_t)FETCH);; k = MIN(n, k * FETCH_MORE)) {
        double mass;
        take_highest(w, x, n, k);
        weigh_first(w, x, k, highest, scale);
        size_t kept = keep(o, w->weights, k, total, &mass);
        if (cut && kept == k && k < n)
            continue;
        size_t i = walk(w->weights, kept, unit * (cut ? mass : total));
        if (i < kept || k == n || cut)
            return w->ids[MIN(i, kept - 1)];
    }
}

/* ---- a draw ---------------------------------------------------------------------------------- */

/* A copy of the logits with those of recent tokens changed. Each of them counts once, however often
 * it stands there. */
static const float *penalise(const struct sampler *s, struct sampler_scratch *w,
                             const float *logits)
{
    float penalty = s->options.repeat_penalty;
    size_t n = (size_t)MIN(s->n_recent, (uint64_t)ARRAY_LEN(s->recent));
    memcpy(w->logits, logits, w->n_vocab * sizeof *logits);
    for (size_t i = 0; i < n; i++) {
        uint16_t id = s->recent[i];
        if (id < w->n_vocab)
            w->logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }
    return w->logits;
}

static uint16_t draw(struct sampler *s, struct sampler_scratch *w, const float *logits)
{
    const struct sampler_options *o = &s->options;
    if (o->repeat_penalty != 1)
        logits = penalise(s, w, logits);
    const float *x = logits + DIMS_EOS; /* the first id that may be drawn */
    size_t n = w->n_vocab - DIMS_EOS;
    if (!(o->temperature > 0))
        return (uint16_t)(DIMS_EOS + w->kern->exact.argmax(x, n));
    float scale = 1 / MIN(MAX(o->temperature, FLT_MIN), FLT_MAX);
    double unit = rng_unit(&s->rng);
    bool some = o->top_k > 0 && (size_t)o->top_k < n;
    return (uint16_t)(DIMS_EOS + (some ? draw_of_top_k(w, o, x, n, unit, scale)
                                       : draw_of_all(w, o, x, n, unit, scale)));
}

uint16_t sampler_draw(struct sampler *s, struct sampler_scratch *w, const float *logits,
                      float *logprob)
{
    uint32_t mode = cpu_float_default();
    uint16_t id = draw(s, w, logits);
    if (logprob)
        *logprob = logits[id] - w->kern->exact.logsumexp(logits, w->n_vocab);
    cpu_float_restore(mode);
    return id;
}
