/* From logits to a token: what each filter keeps, how often each token is drawn, and that a seed
 * means the same draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "dims/dims.h"
#include "model/sampler.h"

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
    assert_int_equal(arena_init(a, measure.used, &e), 0);
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

static void draws_follow_the_softmax(void **state)
{
    (void)state;
    struct sampler_options o = plain();
    assert_follows(&o, percent);
}

static void temperature_sharpens(void **state)
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
static void top_k_keeps_the_highest(void **state)
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

static void top_p_keeps_the_smallest_set(void **state)
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

static void min_p_drops_the_unlikely(void **state)
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

static void greedy_takes_the_highest(void **state)
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

static void penalty_moves_recent_tokens(void **state)
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

static void broken_logits_do_no_harm(void **state)
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

static void same_seed_same_draws(void **state)
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

/* Selecting with a heap finds the same set as counting those above. */
static void top_k_of_many(void **state)
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

static void logprob_is_of_the_plain_softmax(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(temperature_sharpens),
        cmocka_unit_test(top_k_keeps_the_highest),
        cmocka_unit_test(top_p_keeps_the_smallest_set),
        cmocka_unit_test(min_p_drops_the_unlikely),
        cmocka_unit_test(greedy_takes_the_highest),
        cmocka_unit_test(penalty_moves_recent_tokens),
        cmocka_unit_test(broken_logits_do_no_harm),
        cmocka_unit_test(same_seed_same_draws),
        cmocka_unit_test(top_k_of_many),
        cmocka_unit_test(logprob_is_of_the_plain_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
