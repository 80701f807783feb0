/* Pre-tokens: the cuts that GPT-2's pattern makes (expected values from Python's regex module). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/counted.h"
#include "text/pretok.h"

/* Cuts the text without its bars, and expects a cut wherever a bar stands. */
static void expect(const char *barred)
{
    size_t n = strlen(barred);
    char *text = malloc(n + 1);
    size_t n_text = 0;
    for (size_t i = 0; i < n; i++)
        if (barred[i] != '|')
            text[n_text++] = barred[i];
    char *exact = malloc(n_text ? n_text : 1); /* no byte more, for the sanitizer */
    memcpy(exact, text, n_text);
    size_t at = 0;
    while (at < n_text) {
        size_t length = pretok_next(exact + at, n_text - at);
        assert_true(length > 0 && length <= n_text - at);
        if (strncmp(barred, exact + at, length) != 0)
            fail_msg("\"%.*s\" where \"%s\" was expected", (int)length, exact + at, barred);
        barred += length;
        at += length;
        assert_int_equal(*barred, at < n_text ? '|' : '\0');
        barred += *barred == '|';
    }
    free(exact);
    free(text);
}

static void test_words_and_spaces(void **state)
{
    (void)state;
    expect("Once| upon| a| time|,| there| was| a| girl|.");
    expect("a| | b|  | c|\n|\n|d| \n| e|\t|\t|f|  ");
    expect("   ");
    expect("\n");
    expect(" ");
    expect(" \n");
    expect(" |\n|x");
}

static void test_numbers_and_marks(void **state)
{
    (void)state;
    expect("x|1| 23| y|4|z| \xc2\xbd\xe2\x85\xa7\xd9\xa4| 100|%");
    expect("hi|!?!| \"|Yes|,\"| --| (|no|)");
}

static void test_contractions(void **state)
{
    (void)state;
    expect("I|'ll| say| we|'ve| '|d| it|'s| O|'|Neil|'s| don|'t|cha| '|S| '|sup| '");
    expect("'re|'re|''|ll|'|l|'|v| '|s|'t|'m|'d|'s");
    expect(" '| '|s| | '|s");
    expect("'");
    expect("'|r");
}

static void test_other_scripts(void **state)
{
    (void)state;
    expect("\xc3\xa9t\xc3\xa9| na\xc3\xafve|\xe3\x80\x80|\xe6\x97\xa5\xe6\x9c\xac| |\xc2\xa0|x|"
           " \xe2\x80\xa8|\xe2\x80\xa8|y");
    expect("e|\xcc\x81|a| \xe2\x80\x8b|z| \xf0\x9f\x98\x80\xf0\x9f\x98\x80");
    expect("\x1c\x1f| a"); /* controls that some take for white space */
}

/* Bytes that are no UTF-8 are marks, and every byte belongs to one pre-token. */
static void test_invalid_bytes(void **state)
{
    (void)state;
    expect("a|\xff\xfe| b");
    expect(" \xe2\x80|x");
    expect("a|\xc3");
    expect("a|!\xf0\x9f\x98");
}

/* A pre-token by itself is one pre-token: what is counted alone is what stands in the text. */
static void check_alone(void *context, const char *text, size_t n)
{
    (void)context;
    for (size_t at = 0; at < n;) {
        size_t length = pretok_next(text + at, n - at);
        assert_true(length > 0 && length <= n - at);
        assert_int_equal(pretok_next(text + at, length), length);
        at += length;
    }
}

static void test_stand_alone(void **state)
{
    (void)state;
    check_alone(NULL, "a  b\n\n 's 's\xff\xfe'll  ", 19);
    counted_tinystories(check_alone, NULL);
}

/* The number of pre-tokens in real text, as Python's regex module counts them. */
static void count(void *context, const char *text, size_t n)
{
    for (size_t at = 0; at < n; ++*(size_t *)context)
        at += pretok_next(text + at, n - at);
}

static void test_real_text(void **state)
{
    (void)state;
    size_t n = 0;
    if (!counted_tinystories(count, &n))
        skip(); /* TINYSTORIES_DIR is not set */
    assert_int_equal(n, 192411);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_spaces), cmocka_unit_test(test_numbers_and_marks),
        cmocka_unit_test(test_contractions),     cmocka_unit_test(test_other_scripts),
        cmocka_unit_test(test_invalid_bytes),    cmocka_unit_test(test_stand_alone),
        cmocka_unit_test(test_real_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
