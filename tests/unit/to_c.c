/* Models as C source: what a compiler makes of it computes the logits of MODEL_EXACT to the bit, at
 * awkward sizes, with every mixer, storage of the embedding, compiler and optimisation; it links
 * without any library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/to_c.h"
#include "support/scratch.h"
#include "support/toy.h"
#include "support/toystory.h"

#define STRICT "-pedantic -Wall -Wextra -Werror -Wshadow -Wconversion -Wundef"

/* ---- compilers ------------------------------------------------------------------------------- */

static bool run(const char *format, ...) PRINTF_LIKE(1, 2);
static bool run(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_in_range(n, 1, sizeof command - 1);
    return system(command) == 0;
}

static const char *compiler(void)
{
    const char *cc = getenv("CC");
    return cc && *cc ? cc : "cc";
}

static void export_sample(const struct toystory *s, enum number_type type, struct to_c_sizes *sizes)
{
    struct err e;
    struct to_c_options o = {.name = "toy", .embed = type};
    struct file_set files = {0};
    if (to_c(&s->model, &s->vocab, &o, scratch_path("toy.c"), sizes, &files, &e) ||
        file_set_commit(&files, &e))
        fail_msg("%s", e.text);
}

/* toy.c by the compiler with its options, and the logits of what it makes of it. */
static void compare(const struct toystory *s, const char *cc, const char *options)
{
    const char *dir = scratch_dir();
    size_t V = (size_t)s->model.dims.V;
    size_t n;
    FILE *ids = fopen(scratch_path("ids"), "w");
    assert_non_null(ids);
    for (size_t i = 0; i < TOYSTORY_TOKENS; i++)
        fprintf(ids, "%u\n", (unsigned)s->tokens[i]);
    assert_int_equal(fclose(ids), 0);
    if (!run("%s %s " STRICT " -I%s -c -o %s/toy.o %s/toy.c", cc, options, dir, dir, dir) ||
        !run("%s %s -DHEADER='\"toy.h\"' -DNAME=toy -DCAPITALS=TOY -I%s -o %s/drive %s/toy.o "
             "tests/firmware/drive.c",
             cc, options, dir, dir, dir))
        fail_msg("%s %s: does not compile", cc, options);
    if (!run("%s/drive logits < %s/ids > %s/logits", dir, dir, dir))
        fail_msg("%s %s: does not run", cc, options);
    unsigned char *got = scratch_read(scratch_path("logits"), &n);
    assert_int_equal(n, TOYSTORY_TOKENS * V * sizeof *s->logits);
    for (size_t i = 0; i < TOYSTORY_TOKENS * V; i++)
        if (memcmp(got + i * sizeof(float), s->logits + i, sizeof(float)) != 0)
            fail_msg("%s %s: V %zu: logit %zu of token %zu differs", cc, options, V, i % V, i / V);
    free(got);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_SMALL; i++)
        for (int type = NUMBER_F32; type <= NUMBER_Q8; type++) {
            struct toystory s;
            struct to_c_sizes counted;
            toystory_open(&s, toy_size(i), (enum number_type)type);
            export_sample(&s, (enum number_type)type, &counted);
            compare(&s, compiler(), "-std=c99 -O1");
            toystory_close(&s);
        }
}

/* A model with attention in a few blocks of all, with and without a norm of the embedding. */
static struct dims mixed(size_t i)
{
    static const struct {
        int V, D, H, K, L;
        const char *dilation, *mixers;
        int heads, key_width, window;
        bool embed_norm;
    } table[] = {
        /* a window longer than the story; a width of values that is odd */
        {40, 17, 23, 3, 3, "1,2,5", "conv,attention,conv", 1, 5, TOYSTORY_TOKENS + 100, false},
        /* keys far wider than all else, and no convolution */
        {33, 6, 5, 2, 2, "1", "attention", 2, 61, 19, true},
        /* heads of one channel; a window of one token, of the token itself */
        {50, 12, 40, 8, 2, "3", "attention,conv", 12, 1, 1, false},
        /* rings of all sizes one after the other; more heads than lanes */
        {64, 34, 31, 5, 5, "7,1,2,1,1", "conv,attention,conv,attention,attention", 17, 3, 40, true},
        /* a norm alone */
        {64, 31, 32, 3, 2, "1,4", "conv", 0, 0, 0, true},
    };
    if (i == ARRAY_LEN(table))
        return (struct dims){0};
    struct dims d =
        toy_dims(table[i].V, table[i].D, table[i].H, table[i].K, table[i].L, table[i].dilation);
    d.embed_norm = table[i].embed_norm;
    return toy_mixed(d, table[i].mixers, table[i].heads, table[i].key_width, table[i].window);
}

static void test_mixers(void **state)
{
    struct dims d;
    (void)state;
    for (size_t i = 0; i < TOY_N_SIZES - TOY_N_CONV; i++) {
        struct toystory s;
        struct to_c_sizes counted;
        toystory_open(&s, toy_size(TOY_N_CONV + i), NUMBER_Q8);
        export_sample(&s, NUMBER_Q8, &counted);
        compare(&s, compiler(), "-std=c99 -O1");
        toystory_close(&s);
    }
    for (size_t i = 0; d = mixed(i), d.V > 0; i++) {
        struct toystory s;
        struct to_c_sizes counted;
        enum number_type type = (enum number_type)(i % 3); /* all three */
        toystory_open(&s, d, type);
        export_sample(&s, type, &counted);
        compare(&s, compiler(), "-std=c99 -O1");
        toystory_close(&s);
    }
}

/* With every storage of the embedding, and once with all mixers. */
static void try_options(const char *cc, const char *const *options, size_t n)
{
    struct to_c_sizes counted;
    for (int i = NUMBER_F32; i <= NUMBER_Q8 + 1; i++) {
        enum number_type type = (enum number_type)MIN(i, (int)NUMBER_Q8);
        struct toystory s;
        if (i == (int)type)
            toystory_open(&s, toy_size(3), type);
        else
            toystory_open(&s, mixed(3), type);
        export_sample(&s, type, &counted);
        for (size_t o = 0; o < n; o++)
            compare(&s, cc, options[o]);
        toystory_close(&s);
    }
}

/* The last of them has fused multiply-add and leave to use it, which the source takes back. */
static void test_gcc(void **state)
{
    static const char *const options[] = {
        "-std=c99 -O0", "-std=c99 -O2", "-std=c99 -Os",
        "-std=c99 -O1 -fsanitize=address,undefined -fno-sanitize-recover=all",
        "-std=gnu11 -O3 -march=native -ffp-contract=fast"};
    (void)state;
    if (!run("gcc --version > /dev/null 2>&1"))
        skip();
    try_options("gcc", options, ARRAY_LEN(options));
}

static void test_clang(void **state)
{
    static const char *const options[] = {
        "-std=c99 -O0", "-std=c99 -O2", "-std=c99 -Os",
        "-std=c99 -O1 -fsanitize=address,undefined -fno-sanitize-recover=all",
        "-std=gnu11 -O3 -march=native -ffp-contract=on"};
    (void)state;
    if (!run("clang --version > /dev/null 2>&1"))
        skip();
    try_options("clang", options, ARRAY_LEN(options));
}

/* No name is left open; a program of it links without any library. */
static void link_alone(const struct toystory *s, const char *options)
{
    const char *dir = scratch_dir();
    struct to_c_sizes counted;
    export_sample(s, NUMBER_Q8, &counted);
    if (!run("%s -std=c99 -ffreestanding -fno-stack-protector %s " STRICT
             " -I%s -c -o %s/toy.o %s/toy.c",
             compiler(), options, dir, dir, dir))
        fail_msg("%s: does not compile", options);
    if (!run("[ -z \"$(nm -u %s/toy.o)\" ]", dir))
        fail_msg("%s: names are left open", options);
    if (!run("%s -std=c99 -ffreestanding -fno-stack-protector -nostdlib -static -no-pie %s "
             "-I%s -Wl,-e,begin -o %s/bare %s/toy.o tests/firmware/bare.c",
             compiler(), options, dir, dir, dir))
        fail_msg("%s: does not link", options);
}

/* With logits and without. */
static void test_freestanding(void **state)
{
    static const char *const options[] = {"-O0", "-O2", "-Os", "-O2 -DTOY_NO_LOGITS"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct toystory s;
        toystory_open(&s, i == 0 ? toy_size(5) : mixed(3), NUMBER_Q8);
        for (size_t o = 0; o < ARRAY_LEN(options); o++)
            link_alone(&s, options[o]);
        toystory_close(&s);
    }
}

/* The search that computes few logits finds what the one over all of them finds. */
static void test_estimates(void **state)
{
    (void)state;
    const char *dir = scratch_dir();
    for (size_t size = 0; size < TOY_N_SMALL; size++) {
        struct to_c_sizes counted;
        struct toystory s;
        toystory_open(&s, toy_size(size), NUMBER_Q8);
        /* twice the same logits, at scales far apart: the lowest id wins */
        size_t D = (size_t)s.model.dims.D;
        size_t V = (size_t)s.model.dims.V;
        memcpy(s.stored + (V - 1) * D, s.stored + (V - 3) * D, D);
        s.scales[V - 1] = s.scales[V - 3];
        s.scales[V - 2] = 1e-30f;
        s.scales[V - 4] = 3e-41f;
        export_sample(&s, NUMBER_Q8, &counted);
        assert_true(
            run("%s -std=c99 -O2 -ffp-contract=off -DSOURCE='\"toy.c\"' -I%s -o %s/estimate "
                "tests/firmware/estimate.c",
                compiler(), dir, dir));
        assert_true(run("%s/estimate > %s/found || { cat %s/found >&2; exit 1; }", dir, dir, dir));
        toystory_close(&s);
    }
}

/* A microcontroller of 32 bits has the same sizes and needs no library either. */
static void test_microcontroller(void **state)
{
    static const char cc[] = "clang --target=thumbv7em-none-eabihf -mcpu=cortex-m4 -ffreestanding";
    struct to_c_sizes counted;
    (void)state;
    const char *dir = scratch_dir();
    if (!run("echo 'int x;' > %s/x.c; %s -c -o %s/x.o %s/x.c 2> %s/x", dir, cc, dir, dir, dir))
        skip();
    for (int type = NUMBER_F32; type <= NUMBER_Q8; type++) {
        struct toystory s;
        toystory_open(&s, type == NUMBER_F16 ? mixed(3) : toy_size(5), (enum number_type)type);
        export_sample(&s, (enum number_type)type, &counted);
        assert_true(
            run("%s -std=c99 -Os " STRICT " -I%s -c -o %s/toy.o %s/toy.c", cc, dir, dir, dir));
        assert_true(run("[ -z \"$(nm -u %s/toy.o)\" ]", dir));
        toystory_close(&s);
    }
}

/* What the header says of the stack: the frames of all functions together are less. */
static void test_stack(void **state)
{
    (void)state;
    const char *dir = scratch_dir();
    if (!run("gcc --version > /dev/null 2>&1"))
        skip();
    for (size_t i = 0; i < 2; i++) {
        struct to_c_sizes counted;
        struct toystory s;
        toystory_open(&s, i == 0 ? toy_size(5) : mixed(3), NUMBER_Q8);
        export_sample(&s, NUMBER_Q8, &counted);
        int most = i == 0 ? 1280 : 1536; /* bytes */
        assert_true(run("grep -q 'less than %d bytes of stack' %s/toy.h", most, dir));
        assert_true(
            run("gcc -std=c99 -O2 -fstack-usage -I%s -c -o %s/toy.o %s/toy.c", dir, dir, dir));
        assert_true(run("awk '{ n += $2; dynamic += $3 != \"static\" } "
                        "END { exit !(n > 0 && n < %d && !dynamic) }' %s/toy.su",
                        most, dir));
        toystory_close(&s);
    }
}

/* ---- the text -------------------------------------------------------------------------------- */

/* From floats or from what a blob would store of them; twice. */
static void test_same_bytes(void **state)
{
    struct to_c_sizes counted;
    (void)state;
    for (int type = NUMBER_F32; type <= NUMBER_Q8; type++) {
        struct toystory s;
        size_t n, n_header, again;
        toystory_open(&s, toy_size(1), (enum number_type)type);
        export_sample(&s, (enum number_type)type, &counted);
        unsigned char *text = scratch_read(scratch_path("toy.c"), &n);
        unsigned char *header = scratch_read(scratch_path("toy.h"), &n_header);
        s.model.embed = s.floats.embed;
        export_sample(&s, (enum number_type)type, &counted);
        unsigned char *other = scratch_read(scratch_path("toy.c"), &again);
        assert_int_equal(n, again);
        assert_memory_equal(text, other, n);
        free(other);
        other = scratch_read(scratch_path("toy.h"), &again);
        assert_int_equal(n_header, again);
        assert_memory_equal(header, other, n_header);
        free(other);
        free(text);
        free(header);
        toystory_close(&s);
    }
}

static void assert_word(const char *text, const char *word, bool there)
{
    if (!strstr(text, word) != !there)
        fail_msg("'%s' %s", word, there ? "is missing" : "was not left out");
}

/* What a model has no use for is not in its source, nor are the conditionals around it. */
static void test_parts(void **state)
{
    const struct {
        struct dims d;
        bool attention, embed_norm;
    } samples[] = {{toy_size(2), false, false}, {mixed(0), true, false}, {mixed(4), false, true}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct to_c_sizes counted;
        struct toystory s;
        size_t n;
        toystory_open(&s, samples[i].d, NUMBER_F32);
        export_sample(&s, NUMBER_F32, &counted);
        for (size_t f = 0; f < 2; f++) {
            char *text = (char *)scratch_read(scratch_path(f == 0 ? "toy.c" : "toy.h"), &n);
            text = realloc(text, n + 1);
            assert_non_null(text);
            text[n] = '\0';
            assert_word(text, f == 0 ? "attend(" : "TOY_WINDOW", samples[i].attention);
            assert_word(text, "weights[", samples[i].attention);
            if (f == 0)
                assert_word(text, "normalise(s->x, embed_norm", samples[i].embed_norm);
            assert_word(text, "#ifdef TOY_", false);
            assert_word(text, "\n\n\n", false);
            free(text);
        }
        toystory_close(&s);
    }
}

static void test_texts(void **state)
{
    struct to_c_sizes counted;
    struct toystory s;
    size_t n;
    (void)state;
    const char *dir = scratch_dir();
    toystory_open(&s, toy_size(5), NUMBER_F16);
    export_sample(&s, NUMBER_F16, &counted);
    compare(&s, compiler(), "-std=c99");
    if (!run("%s/drive text 0 0 1 2 3 4 70 69 299 300 65535 > %s/text", dir, dir))
        fail_msg("does not run");
    unsigned char *got = scratch_read(scratch_path("text"), &n);
    static const uint16_t ids[] = {4, 70, 69, 299};
    size_t at = 3;
    assert_memory_equal(got, "\xef\xbf\xbd", 3);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct vocab_bytes b = s.vocab.tokens[ids[i]].bytes;
        assert_true(at + b.n <= n);
        assert_memory_equal(got + at, b.data, b.n);
        at += b.n;
    }
    assert_int_equal(n, at + 6);
    assert_memory_equal(got + at, "\xef\xbf\xbd\xef\xbf\xbd", 6); /* ids beyond the last */
    free(got);
    toystory_close(&s);
}

static void test_refusals(void **state)
{
    struct err e;
    struct to_c_sizes counted;
    struct toystory s;
    struct to_c_options o = {.name = "toy", .embed = NUMBER_F16};
    (void)state;
    toystory_open(&s, toy_size(1), NUMBER_F32);
    size_t before = scratch_count();
    struct file_set files = {0};
    const char *path = scratch_path("other.c");
    float *first = (float *)(void *)s.stored;
    *first = 70000;
    assert_int_equal(to_c(&s.model, &s.vocab, &o, path, &counted, &files, &e), -1);
    assert_non_null(strstr(e.text, "too large for f16"));
    s.model.block[1].ffn_down.alpha = (float)strtod("inf", NULL);
    assert_int_equal(to_c(&s.model, &s.vocab, &o, path, &counted, &files, &e), -1);
    assert_non_null(strstr(e.text, "not finite"));
    s.model.dims.K = 64;
    s.model.dims.D = 8192;
    s.model.dims.dilation[0] = 4096;
    assert_int_equal(to_c(&s.model, &s.vocab, &o, path, &counted, &files, &e), -1);
    assert_non_null(strstr(e.text, "bytes of RAM"));
    assert_int_equal(scratch_count(), before);
    toystory_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_mixers),
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_freestanding),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_microcontroller),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refusals),

        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
