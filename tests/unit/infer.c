/* Running a model: beside the whole-sequence forward pass, and with itself on every level, in every
 * grouping of rows, in every floating-point mode and for any number of threads: the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "model/infer.h"
#include "support/toy.h"
#include "support/toynet.h"
#include "os/threads.h"
#include "os/pages.h"

enum { ROWS = 150 };

/* A model with its embedding in any storage, weights packed, one workspace, many streams. */
struct runner {
    struct toynet toy;
    void *stored;
    float *scales;
    struct kern kern;
    struct infer_weights weights;
    struct arena arena;
    struct infer infer;
    struct infer_stream *streams;
};

static void store_embed(struct runner *r, enum number_type type)
{
    struct model *m = &r->toy.model;
    size_t D = (size_t)m->dims.D;
    size_t V = (size_t)m->dims.V;
    const float *w = m->embed.data;
    r->stored = calloc(V * D, sizeof(float));
    r->scales = calloc(V, sizeof(float));
    assert_true(r->stored && r->scales);
    for (size_t i = 0; i < V * D && type == NUMBER_F16; i++)
        ((uint16_t *)r->stored)[i] = number_f16(w[i]);
    for (size_t id = 0; id < V && type == NUMBER_Q8; id++)
        r->scales[id] = number_q8(w + id * D, D, (signed char *)r->stored + id * D);
    if (type != NUMBER_F32)
        m->embed = (struct model_embed){type, r->stored, type == NUMBER_Q8 ? r->scales : NULL};
}

static void lay_out(struct runner *r, size_t max_rows, size_t n_streams, struct arena *a)
{
    infer_init(&r->infer, &r->weights, max_rows, a);
    for (size_t i = 0; i < n_streams; i++)
        infer_stream_init(&r->streams[i], &r->toy.dims, a);
}

static void open_runner(struct runner *r, size_t size, enum number_type type, enum model_math math,
                        const struct cpu_level *level, size_t max_rows, size_t n_streams)
{
    struct err e;
    struct arena measure;
    struct dims d = toy_size(size);
    toynet_open(&r->toy, &d, NULL, size, ROWS, 1, CPU_C);
    store_embed(r, type);
    kern_init(&r->kern, level);
    assert_int_equal(
        infer_weights_init(&r->weights, &r->toy.model, &r->kern, math, &pages_memory, &e), 0);
    r->streams = calloc(n_streams, sizeof *r->streams);
    assert_non_null(r->streams);
    arena_measure(&measure);
    lay_out(r, max_rows, n_streams, &measure);
    assert_int_equal(arena_init(&r->arena, &pages_memory, measure.used, &e), 0);
    lay_out(r, max_rows, n_streams, &r->arena);
}

static void close_runner(struct runner *r)
{
    infer_weights_release(&r->weights);
    arena_release(&r->arena);
    free(r->stored);
    free(r->scales);
    free(r->streams);
    toynet_close(&r->toy);
}

/* Logits [ROWS][V] of the rows, one token at a time. */
static float *one_by_one(struct runner *r, const uint16_t *tokens, const uint32_t *pos)
{
    size_t V = (size_t)r->toy.dims.V;
    float *logits = calloc(ROWS * V, sizeof *logits);
    assert_non_null(logits);
    for (size_t i = 0; i < ROWS; i++) {
        if (pos[i] == 0)
            infer_stream_reset(&r->streams[0]);
        infer_token(&r->infer, &r->streams[0], tokens[i], logits + i * V);
    }
    return logits;
}

static void equals_net(size_t size, enum model_math math, double tolerance)
{
    struct runner r;
    uint16_t tokens[ROWS];
    uint32_t pos[ROWS];
    struct dims d = toy_size(size);
    size_t n = ROWS * (size_t)d.V;
    toy_rows(&d, size, ROWS, tokens, pos);
    open_runner(&r, size, NUMBER_F32, math, CPU_C, 1, 1);
    float *got = one_by_one(&r, tokens, pos);
    float *want = calloc(n, sizeof *want);
    assert_non_null(want);
    net_forward(&r.toy.net, r.toy.pool, tokens, pos, ROWS);
    net_logits(&r.toy.net, 0, ROWS, 0, want);
    double error = 0;
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        square += (double)want[i] * (double)want[i];
    }
    if (!(sqrt(error / square) <= tolerance))
        fail_msg("size %zu, %s: relative error %g", size, model_math_names[math],
                 sqrt(error / square));
    free(got);
    free(want);
    close_runner(&r);
}

/* Rounding alone; attention makes more of it, whose scores are large with random weights. */
static void test_exact_equals_net(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_SIZES; i++)
        equals_net(i, MODEL_EXACT, i < TOY_N_CONV ? 2e-6 : 1e-5);
}

/* Eight bits of a row, absmax: within a few per cent on random weights; more of attention, whose
 * scores are large with these. */
static void test_int8_is_near_net(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_SIZES; i++)
        equals_net(i, MODEL_INT8, i < TOY_N_CONV ? 0.06 : 0.12);
}

/* A column of the embedding far larger than the others, which the norms make up for, as training
 * leaves some: the head's 8 bits are not spent on it alone. One that is dead does no harm. */
static void test_large_columns_are_evened_out(void **state)
{
    (void)state;
    enum { LARGE = 3, DEAD = 7 };
    struct dims d = toy_size(5);
    size_t V = (size_t)d.V;
    float *params = toy_params(&d, 5);
    for (size_t id = 0; id < V; id++) {
        float *row = params + dims_offset(&d, TENSOR_EMBED, 0) + id * (size_t)d.D;
        row[LARGE] *= 60;
        row[DEAD] = 0;
    }
    params[dims_offset(&d, TENSOR_FINAL_NORM, 0) + LARGE] /= 60;
    params[dims_offset(&d, TENSOR_FINAL_NORM, 0) + DEAD] = 0;
    for (int l = 0; l < d.L; l++) {
        params[dims_offset(&d, TENSOR_NORM1, l) + LARGE] /= 60;
        params[dims_offset(&d, TENSOR_NORM2, l) + LARGE] /= 60;
    }
    struct runner r = {0};
    struct err e;
    float logits[2][300];
    assert_int_equal(d.V, 300);
    toynet_open(&r.toy, &d, params, 0, ROWS, 1, CPU_C);
    for (int math = MODEL_INT8; math <= MODEL_EXACT; math++) {
        struct infer_stream stream;
        assert_int_equal(infer_weights_init(&r.weights, &r.toy.model, &r.toy.kern,
                                            (enum model_math)math, &pages_memory, &e),
                         0);
        assert_int_equal(arena_init(&r.arena, &pages_memory, 1 << 20, &e), 0);
        infer_init(&r.infer, &r.weights, 1, &r.arena);
        infer_stream_init(&stream, &d, &r.arena);
        infer_token(&r.infer, &stream, 7, logits[math]);
        arena_release(&r.arena);
        infer_weights_release(&r.weights);
    }
    double error = 0;
    double square = 0;
    for (size_t i = 0; i < V; i++) {
        double off = (double)logits[1][i] - (double)logits[0][i];
        error += off * off;
        square += (double)logits[0][i] * (double)logits[0][i];
    }
    if (!(sqrt(error / square) <= 0.06))
        fail_msg("relative error %g", sqrt(error / square));
    toynet_close(&r.toy);
}

static void expect_same(const struct runner *r, size_t size, enum number_type type,
                        const char *what, const float *got, const float *want)
{
    size_t V = (size_t)r->toy.dims.V;
    for (size_t i = 0; i < ROWS * V; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: size %zu, embedding %s, %s, row %zu, token %zu: %a, expected %a", what,
                     size, number_type_names[type], model_math_names[r->weights.math], i / V, i % V,
                     (double)got[i], (double)want[i]);
}

static void test_every_level_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t size = 0; size < TOY_N_SIZES; size++)
        for (int type = 0; type < 3; type++)
            for (int math = 0; math < 2; math++) {
                uint16_t tokens[ROWS];
                uint32_t pos[ROWS];
                float *want = NULL;
                for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
                    struct runner r;
                    open_runner(&r, size, (enum number_type)type, (enum model_math)math, level, 1,
                                1);
                    toy_rows(&r.toy.dims, size, ROWS, tokens, pos);
                    float *got = one_by_one(&r, tokens, pos);
                    if (level == CPU_C)
                        want = got;
                    else
                        expect_same(&r, size, (enum number_type)type, level->name, got, want);
                    close_runner(&r);
                    if (level != CPU_C)
                        free(got);
                }
                free(want);
            }
}

/* Sequences as streams of their own, fed in batches of random size and mixture. */
static float *in_batches(struct runner *r, const uint16_t *tokens, const uint32_t *pos,
                         struct rng *rng)
{
    size_t V = (size_t)r->toy.dims.V;
    float *logits = calloc(ROWS * V, sizeof *logits);
    float *part = calloc(ROWS * V, sizeof *part);
    bool fed[ROWS] = {false};
    size_t stream_of[ROWS];
    assert_true(logits && part);
    for (size_t i = 0, n = 0; i < ROWS; i++) {
        n += pos[i] == 0;
        stream_of[i] = n - 1;
    }
    for (size_t left = ROWS; left > 0;) {
        struct infer_row rows[ROWS];
        size_t which[ROWS];
        size_t n = 0;
        size_t most = 1 + (size_t)rng_below(rng, r->infer.max_rows);
        for (size_t i = 0; i < ROWS && n < most; i++) { /* a row waits for those before it */
            bool next = !fed[i] && (pos[i] == 0 || fed[i - 1]);
            if (!next || rng_below(rng, 3) == 0)
                continue;
            rows[n] = (struct infer_row){&r->streams[stream_of[i]], tokens[i]};
            which[n++] = i;
            fed[i] = true;
        }
        if (n == 0)
            continue;
        left -= n;
        infer_feed(&r->infer, rows, n);
        size_t cut = (size_t)rng_below(rng, n + 1); /* the head in two parts */
        if (cut > 0)
            infer_head(&r->infer, 0, cut, part);
        if (cut < n)
            infer_head(&r->infer, cut, n - cut, part + cut * V);
        for (size_t i = 0; i < n; i++)
            memcpy(logits + which[i] * V, part + i * V, V * sizeof *part);
    }
    free(part);
    return logits;
}

static void test_every_grouping_gives_the_same_bits(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5, 0);
    for (size_t size = 0; size < TOY_N_SIZES; size++)
        for (int type = 0; type < 3; type++)
            for (int math = 0; math < 2; math++) {
                struct runner r;
                uint16_t tokens[ROWS];
                uint32_t pos[ROWS];
                open_runner(&r, size, (enum number_type)type, (enum model_math)math, cpu_best(), 37,
                            ROWS);
                toy_rows(&r.toy.dims, size, ROWS, tokens, pos);
                float *want = one_by_one(&r, tokens, pos);
                for (size_t i = 0; i < ROWS; i++)
                    infer_stream_reset(&r.streams[i]);
                float *got = in_batches(&r, tokens, pos, &rng);
                expect_same(&r, size, (enum number_type)type, "in batches", got, want);
                free(got);
                free(want);
                close_runner(&r);
            }
}

/* Reads all rows by the threads of p, in pieces whose ends meet no chunk's; logits of the last. */
static void read_together(struct runner *r, struct pool *p, const uint16_t *tokens, float *logits)
{
    static const size_t pieces[] = {1, 16, 17, 3, 66};
    struct err e;
    struct arena a;
    struct infer_readers readers;
    arena_measure(&a);
    infer_readers_init(&readers, &r->weights, p, &a);
    assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
    infer_readers_init(&readers, &r->weights, p, &a);
    infer_stream_reset(&r->streams[0]);
    for (size_t i = 0, at = 0; at < ROWS; i++) {
        size_t n = i < ARRAY_LEN(pieces) ? pieces[i] : ROWS - at;
        infer_read(&readers, &r->infer, &r->streams[0], tokens + at, n);
        at += n;
    }
    infer_head(&r->infer, 0, 1, logits);
    arena_release(&a);
}

/* A prompt at once, read by threads, and the head cut among them. */
static void test_prompts_and_threads(void **state)
{
    (void)state;
    struct err e;
    for (size_t size = 0; size < TOY_N_SIZES; size++)
        for (int math = 0; math < 2; math++) {
            struct runner r;
            uint16_t tokens[ROWS];
            uint32_t pos[ROWS];
            open_runner(&r, size, NUMBER_F16, (enum model_math)math, cpu_best(), 8, 1);
            size_t V = (size_t)r.toy.dims.V;
            toy_rows(&r.toy.dims, size, ROWS, tokens, pos);
            memset(pos, 1, sizeof pos); /* no row begins another sequence */
            float *want = one_by_one(&r, tokens, pos);
            float *got = calloc(V, sizeof *got);
            assert_non_null(got);
            infer_stream_reset(&r.streams[0]);
            infer_prompt(&r.infer, &r.streams[0], tokens, ROWS, got);
            assert_memory_equal(got, want + (ROWS - 1) * V, V * sizeof *got);
            for (int threads = 1; threads <= 3; threads++) {
                struct pool *p = threads_new(threads, &e);
                assert_non_null(p);
                memset(got, 0, V * sizeof *got);
                infer_head_split(&r.infer, p, (ROWS - 1) % 8, 1, got);
                assert_memory_equal(got, want + (ROWS - 1) * V, V * sizeof *got);
                memset(got, 0, V * sizeof *got);
                read_together(&r, p, tokens, got);
                assert_memory_equal(got, want + (ROWS - 1) * V, V * sizeof *got);
                threads_free(p);
            }
            free(got);
            free(want);
            close_runner(&r);
        }
}

/* Activations as small as denormals: the caller's mode neither changes the result nor is changed.
 */
static void test_float_mode_does_not_matter(void **state)
{
    (void)state;
    for (int math = 0; math < 2; math++) {
        struct runner r;
        uint16_t tokens[ROWS];
        uint32_t pos[ROWS];
        open_runner(&r, 3, NUMBER_F32, (enum model_math)math, cpu_best(), 1, 1);
        uint32_t mode = cpu_float_default(); /* after the pool has chosen to flush */
        toy_rows(&r.toy.dims, 3, ROWS, tokens, pos);
        float *norm = calloc((size_t)r.toy.dims.D, sizeof *norm);
        assert_non_null(norm);
        for (int i = 0; i < r.toy.dims.D; i++)
            norm[i] = ldexpf(1, -140 + i);
        r.toy.model.final_norm = norm;
        struct err e;
        infer_weights_release(&r.weights); /* packed with another norm */
        assert_int_equal(infer_weights_init(&r.weights, &r.toy.model, &r.kern,
                                            (enum model_math)math, &pages_memory, &e),
                         0);
        float *want = one_by_one(&r, tokens, pos);
        cpu_flush_denormals();
        uint32_t flushing = cpu_float_default();
        cpu_float_restore(flushing);
        float *got = one_by_one(&r, tokens, pos);
        uint32_t after = cpu_float_default();
        assert_int_equal(after, flushing);
        expect_same(&r, 3, NUMBER_F32, "denormals flushed", got, want);
        cpu_float_restore(mode);
        free(norm);
        free(got);
        free(want);
        close_runner(&r);
    }
}

/* Opened, read and told while the caller rounds upwards. */
static void test_rounding_mode_does_not_matter(void **state)
{
    (void)state;
    for (int math = 0; math < 2; math++)
        for (int type = NUMBER_F32; type <= NUMBER_Q8; type++) {
            struct runner plain, odd;
            uint16_t tokens[ROWS];
            uint32_t pos[ROWS];
            open_runner(&plain, 3, (enum number_type)type, (enum model_math)math, cpu_best(), 1, 1);
            toy_rows(&plain.toy.dims, 3, ROWS, tokens, pos);
            float *want = one_by_one(&plain, tokens, pos);
            open_runner(&odd, 3, (enum number_type)type, (enum model_math)math, cpu_best(), 1, 1);
            infer_weights_release(&odd.weights);
            struct err e;
            fesetround(FE_UPWARD);
            int status = infer_weights_init(&odd.weights, &odd.toy.model, &odd.kern,
                                            (enum model_math)math, &pages_memory, &e);
            float *got = one_by_one(&odd, tokens, pos);
            int after = fegetround();
            fesetround(FE_TONEAREST);
            assert_int_equal(status, 0);
            assert_int_equal(after, FE_UPWARD);
            expect_same(&odd, 3, (enum number_type)type, "rounding upwards", got, want);
            free(got);
            free(want);
            close_runner(&odd);
            close_runner(&plain);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_equals_net),
        cmocka_unit_test(test_int8_is_near_net),
        cmocka_unit_test(test_large_columns_are_evened_out),
        cmocka_unit_test(test_every_level_gives_the_same_bits),
        cmocka_unit_test(test_every_grouping_gives_the_same_bits),
        cmocka_unit_test(test_prompts_and_threads),
        cmocka_unit_test(test_float_mode_does_not_matter),
        cmocka_unit_test(test_rounding_mode_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
