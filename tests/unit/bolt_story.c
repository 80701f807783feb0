/* What libbolt says - logits, draws, nats - beside the parts it is made of, with wrong arguments,
 * in odd floating-point modes and in threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "load/load.h"
#include "model/infer.h"
#include "model/sampler.h"
#include "support/scratch.h"
#include "support/toybolt.h"
#include "os/pages.h"

enum { V = TOYBOLT_V, STORY = 70 };

/* ---- what the library should say, out of its parts ---------------------------------------------
 */

struct parts {
    struct modelfile file;
    struct kern kern;
    struct infer_weights weights;
    struct arena arena;
    struct infer infer;
    struct infer_stream stream;
    struct sampler_scratch scratch;
    float logits[V];
};

static void lay_out(struct parts *p, struct arena *a)
{
    infer_init(&p->infer, &p->weights, 1, a);
    infer_stream_init(&p->stream, &p->file.model.dims, a);
    sampler_scratch_init(&p->scratch, &p->kern, V, a);
}

static void parts_open(struct parts *p, enum model_math math)
{
    struct err e;
    struct arena measure;
    kern_init(&p->kern, cpu_best());
    assert_int_equal(load_blob(&p->file, scratch_path("m.bolt"), &e), 0);
    assert_int_equal(
        infer_weights_init(&p->weights, &p->file.model, &p->kern, math, &pages_memory, &e), 0);
    arena_measure(&measure);
    lay_out(p, &measure);
    assert_int_equal(arena_init(&p->arena, &pages_memory, measure.used, &e), 0);
    lay_out(p, &p->arena);
    infer_token(&p->infer, &p->stream, BOLT_EOS, p->logits);
}

static void parts_close(struct parts *p)
{
    arena_release(&p->arena);
    infer_weights_release(&p->weights);
    load_close(&p->file);
}

static void parts_restart(struct parts *p)
{
    infer_stream_reset(&p->stream);
    infer_token(&p->infer, &p->stream, BOLT_EOS, p->logits);
}

static double nll(const float *logits, int32_t token)
{
    double sum = 0;
    for (size_t i = 0; i < V; i++)
        sum += exp((double)logits[i] - (double)logits[token]);
    return log(sum);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void random_story(int32_t *tokens)
{
    struct rng r;
    rng_seed(&r, 5, 0);
    for (size_t i = 0; i < STORY; i++)
        tokens[i] = (int32_t)rng_below(&r, V);
}

/* Logits are those of model/infer after EOS and the tokens, however these are handed over. */
static void test_step(void **state)
{
    (void)state;
    int32_t tokens[STORY];
    random_story(tokens);
    for (int math = BOLT_INT8; math <= BOLT_EXACT; math++) {
        struct parts p;
        parts_open(&p, (enum model_math)math);
        struct bolt_model *m = toybolt_open(math);
        struct bolt_context *one = toybolt_context(m);
        struct bolt_context *all = toybolt_context(m);
        for (size_t i = 0; i <= STORY; i++) {
            assert_memory_equal(bolt_logits(one), p.logits, sizeof p.logits);
            bolt_reset(all, 1, 2);
            assert_int_equal(bolt_step(all, tokens, i), 0);
            assert_memory_equal(bolt_logits(all), p.logits, sizeof p.logits);
            if (i == STORY)
                break;
            infer_token(&p.infer, &p.stream, (uint16_t)tokens[i], p.logits);
            assert_int_equal(bolt_step(one, tokens + i, 1), 0);
        }
        bolt_context_free(one);
        bolt_context_free(all);
        bolt_close(m);
        parts_close(&p);
    }
}

static void test_step_errors(void **state)
{
    (void)state;
    struct bolt_model *m = toybolt_open(BOLT_INT8);
    struct bolt_context *c = toybolt_context(m);
    float before[V];
    double nats;
    const int32_t bad[] = {4, 5, V};
    const int32_t worse[] = {-1};
    assert_int_equal(bolt_step(c, bad, 2), 0);
    memcpy(before, bolt_logits(c), sizeof before);
    assert_int_equal(bolt_step(c, bad, 3), BOLT_ERROR_ARGUMENT);
    assert_string_equal(bolt_error(c),
                        "token 2 is 11, which the model does not have (expected 0 to 10)");
    assert_int_equal(bolt_step(c, worse, 1), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_step(c, NULL, 1), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_score(c, bad, 3, &nats), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_score(c, bad, 2, NULL), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_step(c, NULL, 0), 0);
    assert_memory_equal(bolt_logits(c), before, sizeof before);
    bolt_context_free(c);
    bolt_close(m);
}

/* The loop of the program sample, with its parts. */
static void tell_with_parts(struct parts *p, const struct sampler_options *o, uint64_t seed,
                            uint64_t stream, int32_t *told, float *log_p)
{
    struct sampler s;
    const uint16_t prompt[] = {4, 8};
    parts_restart(p);
    sampler_init(&s, o, seed);
    sampler_reset(&s, seed, stream);
    for (size_t i = 0; i < 2; i++) {
        infer_token(&p->infer, &p->stream, prompt[i], p->logits);
        sampler_accept(&s, prompt[i]);
    }
    for (size_t i = 0; i < STORY; i++) {
        uint16_t id = sampler_draw(&s, &p->scratch, p->logits, &log_p[i]);
        told[i] = id;
        if (id != BOLT_EOS)
            sampler_accept(&s, id);
        infer_token(&p->infer, &p->stream, id, p->logits);
    }
}

static void tell(struct bolt_context *c, const struct bolt_sample_options *o, uint64_t seed,
                 uint64_t stream, int32_t *told, float *log_p)
{
    const int32_t prompt[] = {4, 8};
    bolt_reset(c, seed, stream);
    assert_int_equal(bolt_step(c, prompt, 2), 0);
    for (size_t i = 0; i < STORY; i++) {
        told[i] = bolt_sample(c, o, log_p ? &log_p[i] : NULL);
        assert_true(told[i] >= BOLT_EOS);
        assert_int_equal(bolt_step(c, &told[i], 1), 0);
    }
}

static void test_sample(void **state)
{
    (void)state;
    static const struct bolt_sample_options options[] = {
        BOLT_SAMPLE_DEFAULTS,
        {sizeof options[0], 0, 0, 1, 0, 1},
        {sizeof options[0], 1.5f, 0, 0.9f, 0.05f, 1.3f},
        {sizeof options[0], 2, 3, 1, 0, 0.7f},
    };
    int32_t expected[STORY], got[STORY];
    float expected_p[STORY], got_p[STORY];
    for (int math = BOLT_INT8; math <= BOLT_EXACT; math++) {
        struct parts p;
        parts_open(&p, (enum model_math)math);
        struct bolt_model *m = toybolt_open(math);
        struct bolt_context *c = toybolt_context(m);
        for (uint64_t i = 0; i < 4 * ARRAY_LEN(options); i++) {
            const struct bolt_sample_options *o = &options[i / 4];
            const struct sampler_options s = {o->temperature, o->top_k, o->top_p, o->min_p,
                                              o->repeat_penalty};
            tell_with_parts(&p, &s, i % 2, i / 2 % 2, expected, expected_p);
            tell(c, i < 4 ? NULL : o, i % 2, i / 2 % 2, got, got_p);
            assert_memory_equal(got, expected, sizeof got);
            assert_memory_equal(got_p, expected_p, sizeof got_p);
        }
        bolt_context_free(c);
        bolt_close(m);
        parts_close(&p);
    }
}

static void test_sample_errors(void **state)
{
    (void)state;
    struct bolt_model *m = toybolt_open(BOLT_INT8);
    struct bolt_context *c = toybolt_context(m);
    const struct bolt_sample_options good = BOLT_SAMPLE_DEFAULTS;
    struct bolt_sample_options bad[12];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].temperature = -1;
    bad[1].temperature = NAN;
    bad[2].temperature = INFINITY;
    bad[3].top_k = -1;
    bad[4].top_k = 65537;
    bad[5].top_p = 1.5f;
    bad[6].top_p = -0.5f;
    bad[7].min_p = 2;
    bad[8].min_p = NAN;
    bad[9].repeat_penalty = 0;
    bad[10].repeat_penalty = 11;
    bad[11].size = 8;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(bolt_sample(c, &bad[i], NULL), BOLT_ERROR_ARGUMENT);
        const char *name = i < 3    ? "temperature"
                           : i < 5  ? "top_k"
                           : i < 7  ? "top_p"
                           : i < 9  ? "min_p"
                           : i < 11 ? "repeat_penalty"
                                    : "version";
        assert_non_null(strstr(bolt_error(c), name));
    }
    int32_t first = bolt_sample(c, NULL, NULL);
    bolt_reset(c, 0, 0);
    assert_int_equal(bolt_sample(c, &good, NULL), first); /* nothing was drawn by what failed */
    bolt_context_free(c);
    bolt_close(m);
}

/* Whatever is scored together, the sum is that of single tokens, and the story goes on. */
static void test_score(void **state)
{
    (void)state;
    int32_t tokens[STORY];
    double expected[STORY + 1] = {0};
    double nats = -1;
    struct parts p;
    random_story(tokens);
    parts_open(&p, MODEL_INT8);
    for (size_t i = 0; i < STORY; i++) {
        expected[i + 1] = expected[i] + nll(p.logits, tokens[i]);
        infer_token(&p.infer, &p.stream, (uint16_t)tokens[i], p.logits);
    }
    struct bolt_model *m = toybolt_open(BOLT_INT8);
    struct bolt_context *c = toybolt_context(m);
    for (size_t first = 0; first <= STORY; first++) {
        bolt_reset(c, 0, 0);
        assert_int_equal(bolt_step(c, tokens, first), 0);
        assert_int_equal(bolt_score(c, tokens + first, STORY - first, &nats), 0);
        assert_true(fabs(nats - (expected[STORY] - expected[first])) < 1e-4);
        assert_memory_equal(bolt_logits(c), p.logits, sizeof p.logits);
    }
    bolt_context_free(c);
    bolt_close(m);
    parts_close(&p);
}

static void same_in_any_float_mode(int math)
{
    struct bolt_model *m = toybolt_open(math);
    struct bolt_context *c = toybolt_context(m);
    int32_t plain[STORY], odd[STORY];
    float plain_p[STORY], odd_p[STORY];
    double plain_nats, odd_nats;
    tell(c, NULL, 3, 0, plain, plain_p);
    bolt_reset(c, 0, 0);
    assert_int_equal(bolt_score(c, plain, STORY, &plain_nats), 0);

    uint32_t mode = cpu_float_default();
    fesetround(FE_UPWARD);
    cpu_flush_denormals();
    uint32_t before = cpu_float_default();
    cpu_float_restore(before);
    struct bolt_model *m2 = toybolt_open(math);
    struct bolt_context *c2 = toybolt_context(m2);
    tell(c2, NULL, 3, 0, odd, odd_p);
    bolt_reset(c2, 0, 0);
    int code = bolt_score(c2, plain, STORY, &odd_nats);
    int rounding = fegetround();
    uint32_t after = cpu_float_default();
    fesetround(FE_TONEAREST);
    cpu_float_restore(mode);

    assert_int_equal(code, 0);
    assert_int_equal(rounding, FE_UPWARD);
    assert_int_equal(after & ~0x3fu, before & ~0x3fu); /* flags of exceptions aside */
    assert_memory_equal(plain, odd, sizeof plain);
    assert_memory_equal(plain_p, odd_p, sizeof plain_p);
    assert_true(plain_nats == odd_nats);
    bolt_context_free(c);
    bolt_context_free(c2);
    bolt_close(m);
    bolt_close(m2);
}

static void test_float_mode(void **state)
{
    (void)state;
    same_in_any_float_mode(BOLT_EXACT);
    same_in_any_float_mode(BOLT_INT8);
}

struct teller {
    const struct bolt_model *model;
    uint64_t stream;
    int32_t told[STORY];
};

static void *run_teller(void *arg)
{
    struct teller *t = arg;
    struct bolt_context *c;
    int32_t ids[16];
    if (bolt_context_new(t->model, NULL, &c, NULL, 0))
        return arg;
    bolt_reset(c, 9, t->stream);
    int64_t n = bolt_encode(c, "abc ab", 6, ids, 16);
    for (size_t i = 0; i < STORY && bolt_step(c, ids, (size_t)n) == 0; i++, n = 1)
        t->told[i] = ids[0] = bolt_sample(c, NULL, NULL);
    bolt_context_free(c);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct bolt_model *m = toybolt_open(BOLT_INT8);
    struct teller alone[4], together[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        alone[i] = together[i] = (struct teller){.model = m, .stream = i};
        assert_null(run_teller(&alone[i]));
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_teller, &together[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(together[i].told, alone[i].told, sizeof alone[i].told);
    assert_memory_not_equal(alone[0].told, alone[1].told, sizeof alone[0].told);
    bolt_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),    cmocka_unit_test(test_step_errors),
        cmocka_unit_test(test_sample),  cmocka_unit_test(test_sample_errors),
        cmocka_unit_test(test_score),   cmocka_unit_test(test_float_mode),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, toybolt_setup, scratch_teardown);
}
