/* Scoring of stories: a value worked out by hand, and sums that depend neither on how stories are
 * gathered, nor on where long ones are cut, nor on threads; in every arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fenv.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/score_infer.h"
#include "model/score_net.h"
#include "support/toy.h"
#include "support/toynet.h"
#include "os/pages.h"

enum { V = 40, N_STORIES = 30, MAX_STORY = 400 };

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, expected %.17g", got, want);
}

struct stories {
    uint16_t ids[N_STORIES][MAX_STORY];
    size_t n[N_STORIES];
};

/* Lengths 0 and 1, short ones and some far longer than the smallest net. */
static void make_stories(struct stories *s)
{
    struct rng r;
    rng_seed(&r, 11, 0);
    for (size_t i = 0; i < N_STORIES; i++) {
        s->n[i] = i < 2 ? i : rng_below(&r, i % 5 == 0 ? MAX_STORY : 40);
        for (size_t k = 0; k < s->n[i]; k++) {
            s->ids[i][k] = (uint16_t)rng_below(&r, V);
            if (s->ids[i][k] != DIMS_UNK && s->ids[i][k] < DIMS_N_SPECIAL)
                s->ids[i][k] = V - 1;
        }
    }
}

static struct score_sum score_all(const struct stories *s, const struct dims *d, size_t rows,
                                  int n_threads)
{
    struct toynet t;
    toynet_open(&t, d, NULL, 5, rows, n_threads, cpu_best());
    struct score_net engine;
    score_net_init(&engine, &t.net, t.pool);
    struct err e;
    struct score *score = score_new(&engine.engine, &e);
    assert_non_null(score);
    for (size_t i = 0; i < N_STORIES; i++)
        score_story(score, s->ids[i], s->n[i], 3 * i, 4 * i);
    struct score_sum sum = *score_finish(score);
    score_free(score);
    toynet_close(&t);
    return sum;
}

static void assert_same(const struct score_sum *a, const struct score_sum *b)
{
    assert_memory_equal(&a->nats, &b->nats, sizeof a->nats);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_unk, b->n_unk);
    assert_int_equal(a->n_stories, b->n_stories);
    assert_int_equal(a->n_chars, b->n_chars);
    assert_int_equal(a->n_bytes, b->n_bytes);
}

static void test_grouping_does_not_matter(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    static struct stories s;
    make_stories(&s);
    size_t smallest = 2 * (dims_context(&d) + 1);
    struct score_sum whole = score_all(&s, &d, score_net_rows(&d), 1);
    const size_t rows[] = {smallest, smallest + 1, 64, 100, MAX_STORY + 1, 5000};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct score_sum cut = score_all(&s, &d, rows[i], 1);
        assert_same(&whole, &cut);
    }
    for (int n = 2; n <= 7; n += 5) {
        struct score_sum many = score_all(&s, &d, 100, n);
        assert_same(&whole, &many);
    }
}

static void test_counts_every_token(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1");
    static struct stories s;
    make_stories(&s);
    uint64_t n_tokens = 0;
    uint64_t n_unk = 0;
    for (size_t i = 0; i < N_STORIES; i++) {
        n_tokens += s.n[i] + 1;
        for (size_t k = 0; k < s.n[i]; k++)
            n_unk += s.ids[i][k] == DIMS_UNK;
    }
    assert_true(n_unk > 0);
    struct score_sum sum = score_all(&s, &d, score_net_rows(&d), 1);
    assert_int_equal(sum.n_tokens, n_tokens);
    assert_int_equal(sum.n_unk, n_unk);
    assert_int_equal(sum.n_stories, N_STORIES);
    assert_int_equal(sum.n_chars, 3 * N_STORIES * (N_STORIES - 1) / 2);
    assert_int_equal(sum.n_bytes, 4 * N_STORIES * (N_STORIES - 1) / 2);
    assert_near(score_unk(&sum), (double)n_unk / (double)n_tokens, 1e-12);
}

/* The sum is that of the losses of one story run alone. */
static void test_equals_direct_losses(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    static const uint16_t line[] = {DIMS_EOS, 7, 8, 7, 30, DIMS_EOS};
    static const uint32_t pos[] = {0, 1, 2, 3, 4};
    struct toynet t;
    toynet_open(&t, &d, NULL, 5, 100, 1, cpu_best());
    struct score_net engine;
    score_net_init(&engine, &t.net, t.pool);
    float nll[5];
    net_forward(&t.net, t.pool, line, pos, 5);
    net_nll(&t.net, t.pool, line + 1, 5, nll);
    double all = 0;
    for (int i = 0; i < 5; i++)
        all += nll[i];

    struct err e;
    struct score *story = score_new(&engine.engine, &e);
    struct score *tokens = score_new(&engine.engine, &e);
    assert_non_null(story);
    assert_non_null(tokens);
    score_story(story, line + 1, 4, 9, 9);
    assert_near(score_finish(story)->nats, all, 0);
    score_tokens(tokens, line, 6, 9, 9); /* the same predictions, EOS given by hand */
    assert_near(score_finish(tokens)->nats, all, 0);
    score_tokens(tokens, line, 1, 0, 0); /* nothing to predict */
    score_tokens(tokens, line, 0, 0, 0);
    assert_int_equal(score_finish(tokens)->n_tokens, 5);
    assert_int_equal(score_finish(tokens)->n_stories, 3);
    score_free(story);
    score_free(tokens);
    toynet_close(&t);
}

/* With D = 1 and blocks of nothing, hidden = sign(E[token]) / sqrt(1 + 1e-6) and the logits are
 * that times E = (0, 0, 0, 1, -1): both predictions of the story (4) cost h + ln(3 + e^h + e^-h).
 */
static void test_known_by_hand(void **state)
{
    (void)state;
    struct dims d = toy_dims(5, 1, 1, 1, 1, "1");
    float *params = calloc(dims_n_floats(&d), sizeof *params);
    assert_non_null(params);
    params[3] = 1;
    params[4] = -1;
    params[dims_offset(&d, TENSOR_FINAL_NORM, 0)] = 1;
    struct toynet t;
    toynet_open(&t, &d, params, 0, 64, 1, cpu_best());
    struct score_net engine;
    score_net_init(&engine, &t.net, t.pool);
    struct err e;
    struct score *s = score_new(&engine.engine, &e);
    assert_non_null(s);
    const uint16_t story[] = {4};
    score_story(s, story, 1, 3, 5);
    const struct score_sum *sum = score_finish(s);
    double h = 1 / sqrt(1 + 1e-6);
    double each = h + log(3 + exp(h) + exp(-h));
    assert_int_equal(sum->n_tokens, 2);
    assert_near(score_loss(sum), each, 1e-6);
    assert_near(score_ppl(sum), exp(each), 1e-5);
    assert_near(score_bpc(sum), 2 * each / log(2) / 3, 1e-6);
    assert_near(score_bpb(sum), 2 * each / log(2) / 5, 1e-6);
    score_free(s);
    toynet_close(&t);
}

/* ---- inference ------------------------------------------------------------------------------- */

/* Stories to try its tasks and feeds: many of no token and of one, and one cut into several tasks.
 */
static void score_varied(struct score *score)
{
    enum { LONG = 3000, SHORT = 300 };
    static uint16_t ids[LONG];
    struct rng r;
    rng_seed(&r, 12, 0);
    for (size_t i = 0; i < LONG; i++)
        ids[i] = (uint16_t)(DIMS_N_SPECIAL + rng_below(&r, V - DIMS_N_SPECIAL));
    static struct stories s;
    make_stories(&s);
    for (size_t i = 0; i < SHORT; i++)
        score_story(score, ids + i, i % 2, 1, 1);
    score_story(score, ids, LONG, 5, 6);
    for (size_t i = 0; i < N_STORIES; i++)
        score_story(score, s.ids[i], s.n[i], 3 * i, 4 * i);
}

static struct score_sum score_engine_varied(const struct score_engine *engine)
{
    struct err e;
    struct score *score = score_new(engine, &e);
    assert_non_null(score);
    score_varied(score);
    struct score_sum sum = *score_finish(score);
    score_free(score);
    return sum;
}

/* Lays out and releases an engine of inference; max_rows 0: what it asks for. */
struct infer_engine {
    struct infer_weights weights;
    struct arena arena;
    struct score_infer score;
};

static void infer_engine_open(struct infer_engine *g, const struct toynet *t, enum model_math math,
                              size_t max_rows)
{
    struct err e;
    size_t rows = max_rows ? max_rows : score_infer_rows(&t->dims, pool_threads(t->pool));
    assert_int_equal(infer_weights_init(&g->weights, &t->model, &t->kern, math, &pages_memory, &e),
                     0);
    arena_measure(&g->arena);
    score_infer_init(&g->score, &g->weights, t->pool, rows, &g->arena);
    assert_int_equal(arena_init(&g->arena, &pages_memory, g->arena.used, &e), 0);
    score_infer_init(&g->score, &g->weights, t->pool, rows, &g->arena);
}

static void infer_engine_close(struct infer_engine *g)
{
    arena_release(&g->arena);
    infer_weights_release(&g->weights);
}

static struct score_sum infer_all(const struct dims *d, enum model_math math, size_t max_rows,
                                  int n_threads, const struct cpu_level *level)
{
    struct toynet t;
    struct infer_engine g;
    toynet_open(&t, d, NULL, 5, 64, n_threads, level);
    infer_engine_open(&g, &t, math, max_rows);
    struct score_sum sum = score_engine_varied(&g.score.engine);
    infer_engine_close(&g);
    toynet_close(&t);
    return sum;
}

static void test_inference_is_the_same_bits_everywhere(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    size_t smallest = score_min_rows(&d);
    for (int m = MODEL_INT8; m <= MODEL_EXACT; m++) {
        enum model_math math = (enum model_math)m;
        struct score_sum want = infer_all(&d, math, 0, 1, CPU_C);
        for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
            struct score_sum got = infer_all(&d, math, 0, 2, level);
            assert_same(&want, &got);
        }
        const size_t rows[] = {smallest, smallest + 1, 256, 257, 1000, 5000};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct score_sum got = infer_all(&d, math, rows[i], i % 2 ? 7 : 1, cpu_best());
            assert_same(&want, &got);
        }
    }
}

/* Exact arithmetic differs from the net's by rounding alone. */
static void test_exact_inference_is_close_to_the_net(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    struct toynet t;
    toynet_open(&t, &d, NULL, 5, score_net_rows(&d), 1, cpu_best());
    struct score_net net;
    score_net_init(&net, &t.net, t.pool);
    struct score_sum want = score_engine_varied(&net.engine);
    struct score_sum got = infer_all(&d, MODEL_EXACT, 0, 1, cpu_best());
    assert_near(got.nats, want.nats, 1e-5 * want.nats);
    assert_int_equal(got.n_tokens, want.n_tokens);
    toynet_close(&t);
}

/* The losses of an engine are those of the story fed token by token. */
static void test_inference_equals_single_tokens(void **state)
{
    (void)state;
    enum { N = 70 };
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    struct toynet t;
    toynet_open(&t, &d, NULL, 5, 64, 1, cpu_best());
    for (int math = MODEL_INT8; math <= MODEL_EXACT; math++) {
        struct infer_engine g;
        infer_engine_open(&g, &t, (enum model_math)math, 0);
        uint16_t tokens[N + 1];
        uint32_t pos[N];
        float nll[N];
        for (size_t i = 0; i <= N; i++)
            tokens[i] = (uint16_t)(4 + 7 * i % (V - 4));
        for (size_t i = 0; i < N; i++)
            pos[i] = (uint32_t)i;
        fesetround(FE_UPWARD); /* the caller's, who is a worker: it does not matter */
        g.score.engine.nll(g.score.engine.state,
                           &(struct score_run){N, tokens, pos, tokens + 1, nll}, 1);
        assert_int_equal(fegetround(), FE_UPWARD);
        fesetround(FE_TONEAREST);

        struct arena a;
        struct err e;
        assert_int_equal(arena_init(&a, &pages_memory, 1 << 20, &e), 0);
        struct infer f;
        struct infer_stream stream;
        infer_init(&f, &g.weights, 1, &a);
        infer_stream_init(&stream, &d, &a);
        for (size_t i = 0; i < N; i++) {
            float logits[V];
            infer_token(&f, &stream, tokens[i], logits);
            float want = t.kern.exact.logsumexp(logits, V) - logits[tokens[i + 1]];
            assert_memory_equal(&nll[i], &want, sizeof want);
        }
        arena_release(&a);
        infer_engine_close(&g);
    }
    toynet_close(&t);
}

/* An engine that hands many runs to another, the last one first. */
static void nll_backwards(void *state, const struct score_run *runs, size_t n)
{
    const struct score_engine *one = state;
    while (n > 0)
        one->nll(one->state, &runs[--n], 1);
}

/* Not even where a loss depends on its run: that of attention in the net does. */
static void test_runs_at_a_time_do_not_matter(void **state)
{
    (void)state;
    struct dims d = toy_mixed(toy_dims(V, 24, 30, 4, 2, "2,1"), "conv,attention", 2, 8, 16);
    struct toynet t;
    toynet_open(&t, &d, NULL, 5, 160, 1, cpu_best());
    struct score_net net;
    score_net_init(&net, &t.net, t.pool);
    struct score_sum want = score_engine_varied(&net.engine);
    for (size_t n = 1; n <= 5; n++) {
        struct score_engine many = {&d, net.engine.max_rows, n, nll_backwards, &net.engine};
        struct score_sum got = score_engine_varied(&many);
        assert_same(&want, &got);
    }
    toynet_close(&t);
}

static void test_too_few_rows_are_refused(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, 20, 30, 4, 3, "1,2,3");
    struct toynet t;
    toynet_open(&t, &d, NULL, 5, 2 * dims_context(&d) + 1, 1, cpu_best());
    struct score_net engine;
    score_net_init(&engine, &t.net, t.pool);
    struct err e;
    assert_null(score_new(&engine.engine, &e));
    assert_string_equal(e.text, "scoring needs at least 38 rows (found 37)");
    toynet_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_by_hand),
        cmocka_unit_test(test_equals_direct_losses),
        cmocka_unit_test(test_counts_every_token),
        cmocka_unit_test(test_grouping_does_not_matter),
        cmocka_unit_test(test_inference_is_the_same_bits_everywhere),
        cmocka_unit_test(test_exact_inference_is_close_to_the_net),
        cmocka_unit_test(test_inference_equals_single_tokens),
        cmocka_unit_test(test_runs_at_a_time_do_not_matter),
        cmocka_unit_test(test_too_few_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
