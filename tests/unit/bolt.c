/* The public interface of libbolt: beside the parts it is made of, with wrong arguments, in
 * threads, in odd floating-point modes, and counting allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "bolt/bolt.h"
#include "bolt/modelfile.h"
#include "model/infer.h"
#include "model/sampler.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toyblob.h"
#include "support/toyvocab.h"

enum { V = TOYVOCAB_SIZE, STORY = 70 };

/* ---- allocations are counted, where no sanitizer does so itself -------------------------------
 */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS_ALLOCATIONS
static atomic_long n_allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    n_allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    n_allocations++;
    return __libc_realloc(p, size);
}
#endif

/* ---- the model of these tests ---------------------------------------------------------------- */

static void write_model(const char *name, enum vocab_normalize form)
{
    struct err e;
    struct model m;
    struct kern kern;
    struct vocab v = toyvocab();
    struct dims d = toy_dims(V, 24, 40, 4, 2, "1,3");
    float *params = toy_params(&d, 11);
    v.normalize = form;
    kern_init(&kern, CPU_C);
    assert_int_equal(model_from_params(&m, &d, params, false, &kern, &e), 0);
    toyblob_write(scratch_path(name), &m, NUMBER_Q8, &v);
    model_release(&m);
    free(params);
}

static int setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    write_model("m.bolt", VOCAB_NORM_NFC);
    write_model("nfkc.bolt", VOCAB_NORM_NFKC);
    return 0;
}

static struct bolt_model *open_toy(int math)
{
    char message[512] = "";
    struct bolt_model *m;
    struct bolt_model_options o = {sizeof o, math, NULL};
    if (bolt_open_file(scratch_path("m.bolt"), &o, &m, message, sizeof message))
        fail_msg("%s", message);
    return m;
}

static struct bolt_context *new_context(const struct bolt_model *m)
{
    char message[512] = "";
    struct bolt_context *c;
    if (bolt_context_new(m, NULL, &c, message, sizeof message))
        fail_msg("%s", message);
    return c;
}

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

static void parts_open(struct parts *p, enum infer_math math)
{
    struct err e;
    struct arena measure;
    kern_init(&p->kern, cpu_best());
    assert_int_equal(modelfile_open(&p->file, scratch_path("m.bolt"), &e), 0);
    assert_int_equal(infer_weights_init(&p->weights, &p->file.model, &p->kern, math, &e), 0);
    arena_measure(&measure);
    lay_out(p, &measure);
    assert_int_equal(arena_init(&p->arena, measure.used, &e), 0);
    lay_out(p, &p->arena);
    infer_token(&p->infer, &p->stream, BOLT_EOS, p->logits);
}

static void parts_close(struct parts *p)
{
    arena_release(&p->arena);
    infer_weights_release(&p->weights);
    modelfile_close(&p->file);
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

static void test_info(void **state)
{
    (void)state;
    struct bolt_model *m = open_toy(BOLT_EXACT);
    struct bolt_info info = {.size = sizeof info};
    assert_int_equal(bolt_info(m, &info), 0);
    assert_int_equal(info.size, sizeof info);
    assert_int_equal(info.n_vocab, V);
    assert_int_equal(info.n_width, 24);
    assert_int_equal(info.n_hidden, 40);
    assert_int_equal(info.n_blocks, 2);
    assert_int_equal(info.n_taps, 4);
    assert_int_equal(info.n_sequence, 32);
    assert_int_equal(info.n_context, 3 * 1 + 3 * 3);
    assert_int_equal(info.eos, 3);
    assert_int_equal(info.math, BOLT_EXACT);
    assert_string_equal(info.cpu, cpu_level_names[cpu_best()]);
    struct vocab v = toyvocab();
    assert_true(info.vocab_fingerprint == vocab_fingerprint(&v));
    assert_true(info.fingerprint != 0 && info.n_parameters > 0);
    assert_int_equal(bolt_info(m, NULL), BOLT_ERROR_ARGUMENT);

    struct bolt_info part;
    memset(&part, 0x5a, sizeof part);
    part.size = offsetof(struct bolt_info, n_width);
    assert_int_equal(bolt_info(m, &part), 0); /* a program of an earlier version */
    assert_int_equal(part.n_vocab, V);
    assert_int_equal(part.n_width, 0x5a5a5a5a);

    static const char *const text[V] = {"",  "\xef\xbf\xbd", "",    "",  "a", "b", "c",
                                        " ", "ab",           "abc", " a"};
    size_t n;
    for (int32_t id = 0; id < V; id++) {
        const char *bytes = bolt_token_text(m, id, &n);
        assert_non_null(bytes);
        assert_int_equal(n, strlen(text[id]));
        assert_memory_equal(bytes, text[id], n);
    }
    assert_null(bolt_token_text(m, V, &n));
    assert_int_equal(n, 0);
    assert_null(bolt_token_text(m, -1, NULL));
    assert_string_equal(bolt_version(), BOLT_VERSION);
    assert_int_equal(bolt_api_version(), BOLT_API_VERSION);
    bolt_close(m);
    bolt_close(NULL);
}

/* Opening fails with this code and a sentence with this in it, which fits any buffer. */
static void expect_refused(const char *path, const void *data, size_t n,
                           const struct bolt_model_options *o, int code, const char *part)
{
    char message[512];
    char little[8];
    struct bolt_model *m = (void *)&code;
    errno = EDOM;
    int got = path ? bolt_open_file(path, o, &m, message, sizeof message)
                   : bolt_open_memory(data, n, o, &m, message, sizeof message);
    assert_int_equal(got, code);
    assert_null(m);
    assert_int_equal(errno, EDOM);
    if (!strstr(message, part))
        fail_msg("'%s' does not contain '%s'", message, part);
    got = path ? bolt_open_file(path, o, &m, little, sizeof little)
               : bolt_open_memory(data, n, o, &m, little, sizeof little);
    assert_int_equal(got, code);
    assert_int_equal(strlen(little), sizeof little - 1);
    assert_memory_equal(little, message, sizeof little - 1);
    got = path ? bolt_open_file(path, o, &m, NULL, 0) : bolt_open_memory(data, n, o, &m, NULL, 0);
    assert_int_equal(got, code);
}

static void test_open_errors(void **state)
{
    (void)state;
    char message[64];
    size_t n;
    unsigned char *bytes = scratch_read(scratch_path("m.bolt"), &n);
    const char *path = scratch_path("m.bolt");
    expect_refused(scratch_path("none.bolt"), NULL, 0, NULL, BOLT_ERROR_FILE, "cannot open");
    expect_refused(scratch_dir(), NULL, 0, NULL, BOLT_ERROR_FILE, "is a directory");
    expect_refused(NULL, bytes, 100, NULL, BOLT_ERROR_MODEL, "too short");
    expect_refused(NULL, bytes, n - 1, NULL, BOLT_ERROR_MODEL, "model in memory: wrong size");
    bytes[n / 2] ^= 1;
    expect_refused(NULL, bytes, n, NULL, BOLT_ERROR_MODEL, "damaged");
    bytes[n / 2] ^= 1;
    expect_refused(NULL, bytes + 4, n - 4, NULL, BOLT_ERROR_ARGUMENT, "aligned");
    scratch_write(scratch_path("text"), "Once upon a time", 16);
    expect_refused(scratch_path("text"), NULL, 0, NULL, BOLT_ERROR_MODEL, "text: too short");
    scratch_write(scratch_path("empty"), "", 0);
    expect_refused(scratch_path("empty"), NULL, 0, NULL, BOLT_ERROR_MODEL, "too short");

    struct bolt_model_options o = {sizeof o, 2, NULL};
    expect_refused(path, NULL, 0, &o, BOLT_ERROR_ARGUMENT, "unknown arithmetic 2");
    o = (struct bolt_model_options){sizeof o, 0, "mmx"};
    expect_refused(path, NULL, 0, &o, BOLT_ERROR_ARGUMENT, "unknown instruction set 'mmx'");
    o = (struct bolt_model_options){sizeof o - 1, 0, NULL};
    expect_refused(path, NULL, 0, &o, BOLT_ERROR_ARGUMENT, "version");
    struct bolt_model *m;
    assert_int_equal(bolt_open_file(NULL, NULL, &m, message, sizeof message), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_open_file(path, NULL, NULL, NULL, 0), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_open_memory(NULL, 0, NULL, &m, NULL, 0), BOLT_ERROR_ARGUMENT);
    free(bytes);
}

/* Options of a later version: what is not known must be zero. */
static void test_later_options(void **state)
{
    (void)state;
    struct {
        struct bolt_model_options o;
        intptr_t more;
    } later = {{sizeof later, BOLT_EXACT, "c"}, 0};
    struct bolt_model *m;
    struct bolt_info info = {.size = sizeof info};
    char message[64];
    assert_int_equal(bolt_open_file(scratch_path("m.bolt"), &later.o, &m, message, 64), 0);
    assert_int_equal(bolt_info(m, &info), 0);
    assert_int_equal(info.math, BOLT_EXACT);
    assert_string_equal(info.cpu, "c");
    bolt_close(m);
    later.more = 1;
    expect_refused(scratch_path("m.bolt"), NULL, 0, &later.o, BOLT_ERROR_ARGUMENT, "version");
}

static void test_memory(void **state)
{
    (void)state;
    size_t n;
    char message[512];
    unsigned char *bytes = scratch_read(scratch_path("m.bolt"), &n);
    struct bolt_model *a = open_toy(BOLT_INT8);
    struct bolt_model *b;
    assert_int_equal(bolt_open_memory(bytes, n, NULL, &b, message, sizeof message), 0);
    struct bolt_context *x = new_context(a);
    struct bolt_context *y = new_context(b);
    const int32_t tokens[] = {4, 8, 9, 7, 5};
    assert_int_equal(bolt_step(x, tokens, 5), 0);
    assert_int_equal(bolt_step(y, tokens, 5), 0);
    assert_memory_equal(bolt_logits(x), bolt_logits(y), V * sizeof(float));
    bolt_context_free(x);
    bolt_context_free(y);
    bolt_close(a);
    bolt_close(b);
    free(bytes);
}

static void test_encode(void **state)
{
    (void)state;
    struct bolt_model *m = open_toy(BOLT_INT8);
    struct bolt_context *c = new_context(m);
    int32_t ids[8] = {-9, -9, -9, -9, -9, -9, -9, -9};
    /* "abc", " ", "ab", " ", unknown; white space at the ends goes */
    const int32_t expected[] = {9, 7, 8, 7, 1};
    const char text[] = " \nabc ab x ";
    assert_int_equal(bolt_encode(c, text, strlen(text), ids, 8), 5);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_int_equal(ids[5], -9);
    ids[2] = -9;
    assert_int_equal(bolt_encode(c, text, strlen(text), ids, 2), 5);
    assert_int_equal(ids[2], -9);
    assert_int_equal(bolt_encode(c, text, strlen(text), NULL, 0), 5);
    assert_int_equal(bolt_encode(c, NULL, 0, NULL, 0), 0);
    assert_int_equal(bolt_encode(c, "  ", 2, ids, 8), 0);
    assert_int_equal(bolt_encode(c, NULL, 1, ids, 8), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_encode(c, text, 1, NULL, 8), BOLT_ERROR_ARGUMENT);
    bolt_context_free(c);
    bolt_context_free(NULL);
    bolt_close(m);
}

static void test_encode_limits(void **state)
{
    (void)state;
    char message[512];
    struct bolt_model *m;
    struct bolt_context *c;
    struct bolt_context_options o = {sizeof o, 100};
    int32_t ids[100];
    char text[101];
    assert_int_equal(bolt_open_file(scratch_path("nfkc.bolt"), NULL, &m, message, 512), 0);
    assert_int_equal(bolt_context_new(m, &o, &c, message, 512), 0);
    assert_string_equal(bolt_error(c), "");
    memset(text, 'a', sizeof text);
    assert_int_equal(bolt_encode(c, text, 100, ids, 100), 100);
    assert_int_equal(bolt_encode(c, text, 101, ids, 100), BOLT_ERROR_LIMIT);
    assert_string_equal(bolt_error(c), "text too long (found 101 bytes, at most 100)");
    memset(text, '\xff', sizeof text); /* each becomes a character of 3 bytes */
    assert_true(bolt_encode(c, text, 33, ids, 100) > 0);
    assert_int_equal(bolt_encode(c, text, 34, ids, 100), BOLT_ERROR_LIMIT);
    assert_string_equal(bolt_error(c),
                        "text too long when normalised (found 102 bytes, at most 100)");
    bolt_context_free(c);
    o.max_text_bytes = ((size_t)1 << 26) + 1;
    assert_int_equal(bolt_context_new(m, &o, &c, message, 512), BOLT_ERROR_ARGUMENT);
    assert_null(c);
    assert_non_null(strstr(message, "67108864"));
    o.size = 4;
    assert_int_equal(bolt_context_new(m, &o, &c, message, 512), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_context_new(NULL, NULL, &c, message, 512), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_context_new(m, NULL, NULL, message, 512), BOLT_ERROR_ARGUMENT);
    bolt_close(m);
}

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
        parts_open(&p, math == BOLT_EXACT ? INFER_EXACT : INFER_INT8);
        struct bolt_model *m = open_toy(math);
        struct bolt_context *one = new_context(m);
        struct bolt_context *all = new_context(m);
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
    struct bolt_model *m = open_toy(BOLT_INT8);
    struct bolt_context *c = new_context(m);
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
        parts_open(&p, math == BOLT_EXACT ? INFER_EXACT : INFER_INT8);
        struct bolt_model *m = open_toy(math);
        struct bolt_context *c = new_context(m);
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
    struct bolt_model *m = open_toy(BOLT_INT8);
    struct bolt_context *c = new_context(m);
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
        assert_true(strlen(bolt_error(c)) > 10);
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
    parts_open(&p, INFER_INT8);
    for (size_t i = 0; i < STORY; i++) {
        expected[i + 1] = expected[i] + nll(p.logits, tokens[i]);
        infer_token(&p.infer, &p.stream, (uint16_t)tokens[i], p.logits);
    }
    struct bolt_model *m = open_toy(BOLT_INT8);
    struct bolt_context *c = new_context(m);
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

static void test_float_mode(void **state)
{
    (void)state;
    struct bolt_model *m = open_toy(BOLT_EXACT);
    struct bolt_context *c = new_context(m);
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
    struct bolt_model *m2 = open_toy(BOLT_EXACT);
    struct bolt_context *c2 = new_context(m2);
    tell(c2, NULL, 3, 0, odd, odd_p);
    bolt_reset(c2, 0, 0);
    int code = bolt_score(c2, plain, STORY, &odd_nats);
    uint32_t after = cpu_float_default();
    int rounding = fegetround();
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
    struct bolt_model *m = open_toy(BOLT_INT8);
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

/* Everything but opening, with texts that grow most: without a single allocation. */
static void test_no_allocation(void **state)
{
    (void)state;
#ifndef COUNTS_ALLOCATIONS
    skip();
#else
    enum { LIMIT = 3000 };
    static const char *const pieces[] = {
        "a",                                /* one long word */
        "abc ",                             /* known ones */
        "\xff",                             /* invalid: 3 bytes each */
        "\xef\xb7\xba",                     /* U+FDFA: 18 code points of 33 bytes */
        "\xcc\xa7\xcc\x81\xcd\x84\xcc\x96", /* marks out of order */
        "\xe1\xbe\x82\xc7\x95",             /* letters of 4 and 3 code points */
    };
    static char text[LIMIT];
    static int32_t ids[LIMIT];
    struct bolt_model *m;
    struct bolt_context *c;
    struct bolt_context_options o = {sizeof o, LIMIT};
    double nats = 0;
    assert_int_equal(bolt_open_file(scratch_path("nfkc.bolt"), NULL, &m, NULL, 0), 0);
    assert_int_equal(bolt_context_new(m, &o, &c, NULL, 0), 0);
    long before = n_allocations;
    assert_true(before > 0);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t length = 100; length <= LIMIT; length += 100) {
            size_t n = strlen(pieces[i]);
            for (size_t at = 0; at < length; at++)
                text[at] = pieces[i][at % n];
            int64_t got = bolt_encode(c, text, length, ids, LIMIT);
            assert_true(got > 0 || got == BOLT_ERROR_LIMIT);
        }
    bolt_reset(c, 1, 0);
    int64_t n = bolt_encode(c, "abc ab a", 8, ids, LIMIT);
    for (size_t i = 0; i < STORY; i++, n = 1) {
        bolt_step(c, ids, (size_t)n);
        ids[0] = bolt_sample(c, NULL, NULL);
    }
    for (int32_t i = 0; i < STORY; i++)
        ids[i] = i % V;
    bolt_score(c, ids, STORY, &nats);
    bolt_step(c, ids, STORY);
    ids[0] = V;
    bolt_step(c, ids, 1);
    long after = n_allocations;
    assert_true(nats > 0);
    assert_int_equal(after - before, 0);
    bolt_context_free(c);
    bolt_close(m);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),          cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_later_options), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_encode),        cmocka_unit_test(test_encode_limits),
        cmocka_unit_test(test_step),          cmocka_unit_test(test_step_errors),
        cmocka_unit_test(test_sample),        cmocka_unit_test(test_sample_errors),
        cmocka_unit_test(test_score),         cmocka_unit_test(test_float_mode),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
