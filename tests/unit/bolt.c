/* The public interface of libbolt: what opening and encoding take and refuse, and that nothing but
 * opening allocates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "support/scratch.h"
#include "support/toybolt.h"

enum { V = TOYBOLT_V, STORY = 70 };

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

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_info(void **state)
{
    (void)state;
    struct bolt_model *m = toybolt_open(BOLT_EXACT);
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
    assert_string_equal(info.cpu, cpu_best()->name);
    struct vocab v = toyvocab();
    v.form.lines = VOCAB_LINES_LF; /* what toybolt_setup writes */
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
    struct bolt_model *a = toybolt_open(BOLT_INT8);
    struct bolt_model *b;
    assert_int_equal(bolt_open_memory(bytes, n, NULL, &b, message, sizeof message), 0);
    struct bolt_context *x = toybolt_context(a);
    struct bolt_context *y = toybolt_context(b);
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
    struct bolt_model *m = toybolt_open(BOLT_INT8);
    struct bolt_context *c = toybolt_context(m);
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

/* What a program that overlooked an error comes with. */
static void test_no_context(void **state)
{
    (void)state;
    int32_t id = 5;
    double nats = 1;
    assert_int_equal(bolt_encode(NULL, "a", 1, &id, 1), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_step(NULL, &id, 1), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_step(NULL, NULL, 0), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_sample(NULL, NULL, NULL), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_score(NULL, &id, 1, &nats), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_score(NULL, &id, 1, NULL), BOLT_ERROR_ARGUMENT);
    assert_null(bolt_logits(NULL));
    assert_string_equal(bolt_error(NULL), "no context given");
    bolt_reset(NULL, 1, 2);
}

/* A line end is a line end, and a byte-order mark is none of the text; but for a model whose
 * vocabulary took both for characters. */
static void test_encode_lines(void **state)
{
    (void)state;
    static const char *const same[] = {"abc\nab", "abc\r\nab", "abc\rab",
                                       "\xef\xbb\xbf"
                                       "abc\r\n\xef\xbb\xbf"
                                       "ab\r\n"};
    static const struct {
        const char *model;
        int64_t n[ARRAY_LEN(same)];
    } models[] = {{"m.bolt", {3, 3, 3, 3}}, {"nfkc.bolt", {3, 4, 3, 10}}};
    for (size_t k = 0; k < ARRAY_LEN(models); k++) {
        struct bolt_model *m;
        struct bolt_context *c;
        int32_t ids[16];
        assert_int_equal(bolt_open_file(scratch_path(models[k].model), NULL, &m, NULL, 0), 0);
        assert_int_equal(bolt_context_new(m, NULL, &c, NULL, 0), 0);
        for (size_t i = 0; i < ARRAY_LEN(same); i++)
            assert_int_equal(bolt_encode(c, same[i], strlen(same[i]), ids, 16), models[k].n[i]);
        bolt_context_free(c);
        bolt_close(m);
    }
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
        cmocka_unit_test(test_encode),        cmocka_unit_test(test_encode_lines),
        cmocka_unit_test(test_encode_limits), cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_no_context),
    };
    return cmocka_run_group_tests(tests, toybolt_setup, scratch_teardown);
}
