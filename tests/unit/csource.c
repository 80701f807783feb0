/* Pieces of C source: names made of paths, text with its conditionals settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "export/csource.h"
#include "support/scratch.h"

static void test_names(void **state)
{
    static const char *const good[][2] = {
        {"a.c", "a"}, {"x/y.z/my-model.c", "my_model"}, {"v2.1.c", "v2_1"}, {"dir/M3.c", "M3"}};
    static const char *const bad[] = {"a.h",      "a",         ".c",      "dir/.c",  "3.c",
                                      "-.c",      "_a.c",      "int.c",   "block.c", "likeliest.c",
                                      "number.c", "ternary.c", "weight.c"};
    struct err e;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char *name = csource_name(good[i][0], &e);
        assert_non_null(name);
        assert_string_equal(name, good[i][1]);
        free(name);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_null(csource_name(bad[i], &e));
    assert_null(csource_header("a\"b.c", &e));
    assert_null(csource_header("a\nb.c", &e));
    assert_null(csource_header("a.cc", &e));
    char *header = csource_header("d.c/x.c", &e);
    assert_string_equal(header, "d.c/x.h");
    free(header);
}

/* What the file then holds of a text, ALPHA being defined and BETA not; the caller frees. */
static char *settled(const char *text)
{
    static const struct csource_part parts[] = {
        {"RUNTIME_ALPHA", true}, {"RUNTIME_BETA", false}, {NULL, false}};
    struct err e;
    struct csource s;
    struct file_set files = {0};
    size_t n;
    const char *path = scratch_path("x.c");
    if (csource_open(&s, path, "toy", &e))
        fail_msg("%s", e.text);
    csource_settled(&s, text, strlen(text), parts);
    if (csource_close(&s, &files) || file_set_commit(&files, &e))
        fail_msg("%s", e.text);
    char *got = (char *)scratch_read(path, &n);
    got = realloc(got, n + 1);
    assert_non_null(got);
    got[n] = '\0';
    return got;
}

static void test_settled(void **state)
{
    static const char *const cases[][2] = {
        {"a\n#ifdef RUNTIME_ALPHA\nb\n#else\nc\n#endif\nd", "a\nb\nd"},
        {"#ifdef RUNTIME_BETA\nb\n#else\nc\n#endif\nd\n", "c\nd\n"},
        {"#ifdef RUNTIME_BETA\nb\n#endif\n", ""},
        {"#ifdef RUNTIME_ALPHA\n#endif\n#ifdef RUNTIME_BETA\n#else\nx\n#endif\n", "x\n"},
        /* those of others stay, around and within */
        {"#ifdef X\n#ifdef RUNTIME_ALPHA\n#if Y\n1\n#else\n2\n#endif\n#else\n3\n#endif\n#endif\n",
         "#ifdef X\n#if Y\n1\n#else\n2\n#endif\n#endif\n"},
        {"#ifdef RUNTIME_BETA\n#ifndef X\n#else\n#endif\n1\n#else\n2\n#endif\n#else\n#endif\n",
         "2\n#else\n#endif\n"},
        {"#ifdef RUNTIME_ALPHABET\n1\n#endif\n #ifdef RUNTIME_BETA\n",
         "#ifdef TOY_ALPHABET\n1\n#endif\n #ifdef TOY_BETA\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = settled(cases[i][0]);
        assert_string_equal(got, cases[i][1]);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_settled),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
