/* From logits to a token: what each filter keeps, how often each token is drawn, and that a seed
 * means the same draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/fmath.h"
#include "dims/dims.h"
#include "model/sampler.h"
#include "os/pages.h"

enum { V = 12, N_DRAWS = 20000 };

/* Probabilities of ids 3..11 at temperature 1, out of 100; the specials before them have logits
 * that would win if they could be drawn. */
static const double percent[V] = {0, 0, 0, 4, 30, 8, 20, 2, 10, 5, 20, 1};

static void make_logits(float logits[V])
{
    for (int i = 0; i < V; i++)
        logits[i] = i < DIMS_EOS ? 50 : (float)log(percent[i]);
}

static void open_sampler(struct sampler *s, struct sampler_scratch *w, struct arena *a,
                         const struct sampler_options *o, size_t n_vocab, uint64_t seed)
{
    static struct kern kern;
    kern_init(&kern, cpu_best());
    struct err e;
    struct arena measure;
    arena_measure(&measure);
    sampler_scratch_init(w, &kern, n_vocab, &measure);
    assert_int_equal(arena_init(a, &pages_memory, measure.used, &e), 0);
    sampler_scratch_init(w, &kern, n_vocab, a);
    sampler_init(s, o, seed);
}

/* How often each id is drawn. */
static void count_draws(const struct sampler_options *o, const float *logits, double counts[V])
{
    struct sampler s;
    struct sampler_scratch w;
    struct arena a;
    open_sampler(&s, &w, &a, o, V, 42);
    memset(counts, 0, V * sizeof *counts);
    for (int i = 0; i < N_DRAWS; i++)
        counts[sampler_draw(&s, &w, logits, NULL)]++;
    arena_release(&a);
}

/* Draws must follow `weights` (0: never). Pearson's chi-square over at most 8 degrees of freedom
 * stays below 35 with probability 0.99997; the seed is fixed, so this passes always or never. */
static void assert_follows(const struct sampler_options *o, const double weights[V])
{
    float logits[V];
    double counts[V];
    double total = 0;
    double chi2 = 0;
    make_logits(logits);
    count_draws(o, logits, counts);
    for (int i = 0; i < V; i++)
        total += weights[i];
    for (int i = 0; i < V; i++) {
        double want = N_DRAWS * weights[i] / total;
        if (want == 0 && counts[i] > 0)
            fail_msg("token %d was drawn %g times", i, counts[i]);
        chi2 += want > 0 ? (counts[i] - want) * (counts[i] - want) / want : 0;
    }
    if (chi2 > 35)
        fail_msg("chi-square %g", chi2);
}

static struct sampler_options plain(void)
{
    struct sampler_options o = sampler_defaults();
    o.temperature = 1;
    o.top_k = 0;
    return o;
}

static void test_draws_follow_the_softmax(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    assert_follows(&o, percent);
}

static void test_temperature_sharpens(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    double weights[V];
    for (int i = 0; i < V; i++)
        weights[i] = pow(percent[i], 1 / 0.5);
    o.temperature = 0.5f;
    assert_follows(&o, weights);
    for (int i = 0; i < V; i++)
        weights[i] = percent[i] > 0 ? pow(percent[i], 1 / 2.0) : 0;
    o.temperature = 2;
    assert_follows(&o, weights);
}

/* Of the two tokens of 20 % the one of the lower id counts as higher. */
static void test_top_k_keeps_the_highest(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    double two[V] = {[4] = 30, [6] = 20};
    o.top_k = 2;
    assert_follows(&o, two);
    double three[V] = {[4] = 30, [6] = 20, [10] = 20};
    o.top_k = 3;
    assert_follows(&o, three);
    o.top_k = 1000; /* more than there are: all */
    assert_follows(&o, percent);
    double one[V] = {[4] = 1};
    o.top_k = 1;
    assert_follows(&o, one);
}

static void test_top_p_keeps_the_smallest_set(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    double two[V] = {[4] = 30, [6] = 20};
    o.top_p = 0.49f;
    assert_follows(&o, two);
    double three[V] = {[4] = 30, [6] = 20, [10] = 20};
    o.top_p = 0.51f;
    assert_follows(&o, three);
    double one[V] = {[4] = 1};
    o.top_p = 0; /* one at least */
    assert_follows(&o, one);
    o.top_p = 0.42f; /* of the 70 % that top-k leaves: 30 / 70 reaches it */
    o.top_k = 3;
    assert_follows(&o, one);
}

static void test_min_p_drops_the_unlikely(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    double four[V] = {[4] = 30, [6] = 20, [8] = 10, [10] = 20};
    o.min_p = 0.3f; /* 9 % and more */
    assert_follows(&o, four);
    double one[V] = {[4] = 1};
    o.min_p = 1;
    assert_follows(&o, one);
}

static uint16_t draw_greedy(const float *logits, float penalty, const uint16_t *recent, size_t n)
{
    struct sampler s;
    struct sampler_scratch w;
    struct arena a;
    struct sampler_options o = sampler_defaults();
    o.temperature = 0;
    o.repeat_penalty = penalty;
    open_sampler(&s, &w, &a, &o, V, 1);
    for (size_t i = 0; i < n; i++)
        sampler_accept(&s, recent[i]);
    uint16_t id = sampler_draw(&s, &w, logits, NULL);
    arena_release(&a);
    return id;
}

static void test_greedy_takes_the_highest(void **state)
{
    (void)state;
    float logits[V];
    make_logits(logits);
    assert_int_equal(draw_greedy(logits, 1, NULL, 0), 4);
    logits[4] = -9; /* 6 and 10 tie */
    assert_int_equal(draw_greedy(logits, 1, NULL, 0), 6);
    for (int i = 0; i < V; i++)
        logits[i] = -INFINITY;
    assert_int_equal(draw_greedy(logits, 1, NULL, 0), DIMS_EOS);
    logits[5] = NAN; /* a broken model is no reason to draw nonsense */
    logits[7] = -100;
    assert_int_equal(draw_greedy(logits, 1, NULL, 0), 7);
    logits[8] = INFINITY;
    assert_int_equal(draw_greedy(logits, 1, NULL, 0), 8);
}

static void test_penalty_moves_recent_tokens(void **state)
{
    (void)state;
    float logits[V] = {[5] = 4, [6] = 3, [7] = 1};
    const uint16_t five[] = {5, 5, 5, 1};
    assert_int_equal(draw_greedy(logits, 1.3f, five, 0), 5);
    assert_int_equal(draw_greedy(logits, 1.3f, five, 4), 5); /* 4 / 1.3 once, however often met */
    assert_int_equal(draw_greedy(logits, 1.4f, five, 4), 6);
    assert_int_equal(draw_greedy(logits, 0.5f, &(uint16_t){6}, 1), 6);
    float negative[V];
    for (int i = 0; i < V; i++)
        negative[i] = -10;
    negative[5] = -2;
    negative[6] = -3;
    assert_int_equal(draw_greedy(negative, 2, five, 1), 6); /* -2 * 2 < -3 */
    uint16_t many[65] = {5};
    for (int i = 1; i < 65; i++)
        many[i] = 9;
    assert_int_equal(draw_greedy(logits, 2, many, 64), 6);
    assert_int_equal(draw_greedy(logits, 2, many, 65), 5); /* 5 is 65 tokens ago */
}

static void test_broken_logits_do_no_harm(void **state)
{
    (void)state;
    float logits[V];
    double counts[V];
    struct sampler_options o = sampler_defaults();
    o.top_k = 4;
    o.top_p = 0.9f;
    o.min_p = 0.01f;
    o.temperature = 1e-30f;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < V; i++)
            logits[i] = round == 0 ? NAN : round == 1 ? INFINITY : -INFINITY;
        count_draws(&o, logits, counts);
        for (int i = 0; i < DIMS_EOS; i++)
            assert_true(counts[i] == 0);
    }
}

static void test_same_seed_same_draws(void **state)
{
    (void)state;
    enum { N = 200, N_VOCAB = 5000 };
    static float logits[N_VOCAB];
    struct rng r;
    rng_seed(&r, 3, 3);
    for (int i = 0; i < N_VOCAB; i++)
        logits[i] = (float)(3 * rng_normal(&r));
    struct sampler s;
    struct sampler_scratch w;
    struct arena a;
    struct sampler_options o = sampler_defaults();
    o.top_p = 0.95f;
    o.repeat_penalty = 1.1f;
    open_sampler(&s, &w, &a, &o, N_VOCAB, 7);
    uint16_t draws[4][N];
    static const uint64_t streams[4] = {0, 1, 0, 0};
    for (int k = 0; k < 4; k++) {
        sampler_reset(&s, k == 3 ? 8 : 7, streams[k]);
        for (int i = 0; i < N; i++) {
            draws[k][i] = sampler_draw(&s, &w, logits, NULL);
            sampler_accept(&s, draws[k][i]);
        }
    }
    assert_memory_equal(draws[0], draws[2], sizeof draws[0]);
    assert_memory_not_equal(draws[0], draws[1], sizeof draws[0]); /* another stream */
    assert_memory_not_equal(draws[0], draws[3], sizeof draws[0]); /* another seed */
    arena_release(&a);
}

/* The set is what counting those above finds. */
static void test_top_k_of_many(void **state)
{
    (void)state;
    enum { N_VOCAB = 3000, K = 50 };
    static float logits[N_VOCAB];
    struct rng r;
    rng_seed(&r, 5, 0);
    for (int i = 0; i < N_VOCAB; i++)
        logits[i] = (float)rng_below(&r, 400) / 100; /* many ties */
    struct sampler s;
    struct sampler_scratch w;
    struct arena a;
    struct sampler_options o = sampler_defaults();
    o.top_k = K;
    o.temperature = 100; /* nearly even, so that all 50 come up */
    open_sampler(&s, &w, &a, &o, N_VOCAB, 7);
    static bool met[N_VOCAB];
    size_t n_met = 0;
    for (int i = 0; i < 4000; i++) {
        uint16_t id = sampler_draw(&s, &w, logits, NULL);
        n_met += !met[id];
        met[id] = true;
        size_t above = 0;
        for (int k = DIMS_EOS; k < N_VOCAB; k++)
            above += logits[k] > logits[id] || (logits[k] == logits[id] && k < id);
        assert_true(above < K);
    }
    assert_int_equal(n_met, K);
    arena_release(&a);
}

static void test_logprob_is_of_the_plain_softmax(void **state)
{
    (void)state;
    float logits[V] = {1, 2, 0.5f, -1, 3, 0, 0, 0, 0, 0, 0, 0};
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp(logits[i]);
    struct sampler s;
    struct sampler_scratch w;
    struct arena a;
    struct sampler_options o = sampler_defaults();
    o.temperature = 0;
    open_sampler(&s, &w, &a, &o, V, 7);
    float logprob;
    assert_int_equal(sampler_draw(&s, &w, logits, &logprob), 4);
    assert_true(fabs(logprob - (3 - log(sum))) < 1e-6);
    arena_release(&a);
}

/* ---- beside a sampler that sorts everything -------------------------------------------------- */

enum { MOST = 10000, N_ROUNDS = 600 };

static const float *sorted_logits;

/* Higher first, the lower id on a tie, NaN below all. */
static int by_logit(const void *a, const void *b)
{
    int i = *(const uint16_t *)a;
    int j = *(const uint16_t *)b;
    float x = sorted_logits[i];
    float y = sorted_logits[j];
    if (isnan(x) != isnan(y))
        return isnan(x) ? 1 : -1;
    return x > y ? -1 : x < y ? 1 : i - j;
}

static float plain_weight(float x, float highest, float temperature)
{
    if (x == highest || isnan(highest))
        return 1;
    return isnan(x) ? 0 : fmath_expf((x - highest) * (1 / temperature));
}

static void plain_penalty(const struct sampler *s, float *logits)
{
    bool met[MOST] = {false};
    for (uint64_t i = s->n_recent > 64 ? s->n_recent - 64 : 0; i < s->n_recent; i++) {
        uint16_t id = s->recent[i % 64];
        float p = s->options.repeat_penalty;
        if (!met[id])
            logits[id] = logits[id] > 0 ? logits[id] / p : logits[id] * p;
        met[id] = true;
    }
}

/* What s would draw, without drawing. */
static uint16_t plain_draw(const struct sampler *s, const float *logits, size_t n_vocab)
{
    static float x[MOST];
    static float weights[MOST];
    static uint16_t ids[MOST];
    const struct sampler_options *o = &s->options;
    struct rng rng = s->rng;
    size_t n = n_vocab - DIMS_EOS;
    double total = 0;
    double sum = 0;
    memcpy(x, logits, n_vocab * sizeof *x);
    plain_penalty(s, x);
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint16_t)(DIMS_EOS + i);
    sorted_logits = x;
    qsort(ids, n, sizeof *ids, by_logit);
    if (o->temperature <= 0)
        return ids[0];
    n = o->top_k > 0 ? MIN(n, (size_t)o->top_k) : n;
    for (size_t i = 0; i < n; i++) {
        weights[i] = plain_weight(x[ids[i]], x[ids[0]], o->temperature);
        total += (double)weights[i];
    }
    size_t kept = 0;
    for (; kept < n; kept++) {
        bool enough = o->top_p < 1 && sum >= (double)o->top_p * total;
        if (kept > 0 && (enough || weights[kept] < o->min_p))
            break;
        sum += (double)weights[kept];
    }
    double left = rng_unit(&rng) * sum;
    size_t i = 0;
    while (i + 1 < kept && (left -= (double)weights[i]) >= 0)
        i++;
    return ids[i];
}

static struct sampler_options random_options(struct rng *r)
{
    static const float temperature[] = {0, 0.01f, 0.5f, 0.8f, 1, 3, 100};
    static const int top_k[] = {0, 0, 1, 2, 50, 64, 200, 1000, 20000};
    static const float top_p[] = {1, 1, 1, 0, 0.3f, 0.9f, 0.999f};
    static const float min_p[] = {0, 0, 0, 0.001f, 0.1f, 0.7f, 1};
    static const float penalty[] = {1, 1, 1.3f, 0.8f};
    return (struct sampler_options){
        .temperature = temperature[rng_below(r, ARRAY_LEN(temperature))],
        .top_k = top_k[rng_below(r, ARRAY_LEN(top_k))],
        .top_p = top_p[rng_below(r, ARRAY_LEN(top_p))],
        .min_p = min_p[rng_below(r, ARRAY_LEN(min_p))],
        .repeat_penalty = penalty[rng_below(r, ARRAY_LEN(penalty))],
    };
}

/* As a model gives them, with many ties, all equal, or broken. */
static void random_logits(struct rng *r, float *logits, size_t n)
{
    static const float broken[] = {-0.0f, 0, NAN, NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f};
    size_t kind = rng_below(r, 6);
    size_t n_broken = 1 + rng_below(r, ARRAY_LEN(broken));
    for (size_t i = 0; i < n; i++)
        logits[i] = kind == 0   ? (float)rng_below(r, 20) / 4
                    : kind == 1 ? -2
                    : kind == 2 ? broken[rng_below(r, n_broken)]
                                : (float)((kind == 3 ? 0.1 : 3) * rng_normal(r));
}

/* One round: a few draws of one story, on every level; each must be the plain sampler's. */
static void compare_draws(struct rng *r, const struct kern *kerns, size_t n_kerns, struct arena *a)
{
    static const size_t sizes[] = {4, 5, 12, 67, 68, 300, 3000, MOST};
    static float logits[MOST];
    size_t n_vocab = sizes[rng_below(r, ARRAY_LEN(sizes))];
    uint64_t seed = rng_u64(r);
    struct sampler_options o = random_options(r);
    struct sampler first;
    sampler_init(&first, &o, seed);
    for (size_t i = rng_below(r, 100); i > 0; i--)
        sampler_accept(&first, (uint16_t)rng_below(r, n_vocab));
    for (int step = 0; step < 4; step++) {
        float logprob[2];
        struct sampler next = first;
        random_logits(r, logits, n_vocab);
        uint16_t want = plain_draw(&first, logits, n_vocab);
        for (size_t level = 0; level < n_kerns; level++) {
            struct sampler_scratch w;
            struct arena room = *a;
            next = first;
            sampler_scratch_init(&w, &kerns[level], n_vocab, &room);
            if (level % 2) /* a caller's mode is its own affair */
                cpu_flush_denormals();
            uint16_t id = sampler_draw(&next, &w, logits, &logprob[level > 0]);
            cpu_float_default();
            if (id != want)
                fail_msg("%s: %d, expected %d (V %zu, temperature %g, top-k %d, top-p %g, "
                         "min-p %g, penalty %g)",
                         kerns[level].level->name, id, want, n_vocab, (double)o.temperature,
                         o.top_k, (double)o.top_p, (double)o.min_p, (double)o.repeat_penalty);
            if (level > 0 && !isnan(logprob[0]))
                assert_memory_equal(&logprob[0], &logprob[1], sizeof *logprob);
        }
        first = next;
        sampler_accept(&first, want);
    }
}

static void test_every_level_draws_as_a_plain_sampler(void **state)
{
    (void)state;
    struct kern kerns[CPU_N_LEVELS];
    size_t n_kerns = 0;
    struct arena a;
    struct err e;
    struct rng r;
    struct sampler_scratch w;
    rng_seed(&r, 11, 0);
    for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level))
        kern_init(&kerns[n_kerns++], level);
    arena_measure(&a);
    sampler_scratch_init(&w, &kerns[0], MOST, &a);
    assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
    for (int round = 0; round < N_ROUNDS; round++)
        compare_draws(&r, kerns, n_kerns, &a);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws_follow_the_softmax),
        cmocka_unit_test(test_temperature_sharpens),
        cmocka_unit_test(test_top_k_keeps_the_highest),
        cmocka_unit_test(test_top_p_keeps_the_smallest_set),
        cmocka_unit_test(test_min_p_drops_the_unlikely),
        cmocka_unit_test(test_greedy_takes_the_highest),
        cmocka_unit_test(test_penalty_moves_recent_tokens),
        cmocka_unit_test(test_broken_logits_do_no_harm),
        cmocka_unit_test(test_same_seed_same_draws),
        cmocka_unit_test(test_top_k_of_many),
        cmocka_unit_test(test_logprob_is_of_the_plain_softmax),
        cmocka_unit_test(test_every_level_draws_as_a_plain_sampler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
