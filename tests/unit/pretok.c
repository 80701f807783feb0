/* Pre-tokens: the cuts that GPT-2's pattern makes (expected values from Python's regex module). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/counted.h"
#include "text/pretok.h"

/* Cuts the text without its bars, and expects a cut wherever a bar stands. */
typedef size_t next(const char *text, size_t n);
static void expect_cuts(next *cut, const char *barred)
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
        size_t length = cut(exact + at, n_text - at);
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

static void expect(const char *barred)
{
    expect_cuts(pretok_next, barred);
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

/* ---- sentences ---- */

static void expect_sentences(const char *barred)
{
    expect_cuts(pretok_sentence, barred);
}

static void test_sentences(void **state)
{
    (void)state;
    expect_sentences("One day, a cat sat.| It sat!| Why?");
    expect_sentences("\"Stop!\"| said Tom, \"or I run...\"\xe2\x80\x9d)| And then");
    expect_sentences(".| .|a.|b");
    expect_sentences("no end|\n|Mr.| Fox  |\n\n\n|  x\t|\n");
    expect_sentences("3.|14 is \xcf\x80 (about).| U.|S.");
    expect_sentences("\xe5\xa5\xbd\xe3\x80\x82|\xe5\xa5\xbd\xef\xbc\x81|a\xef\xbc\x9f\xe2\x80\xa6|"
                     "b\xe2\x80\xa6|c\xe3\x80\x81 d\xef\xbc\x8c e\xe2\x80\xa2");
    expect_sentences("cut \xe2\x80");
    expect_sentences("cut \xe3");
    expect_sentences("odd\xff.\xff|a");
}

/* Sentences are whole words, and the words tell where a sentence ends. */
static void check_words(void *context, const char *text, size_t n)
{
    (void)context;
    for (size_t at = 0, length; at < n; at += length) {
        length = pretok_sentence(text + at, n - at);
        assert_true(length > 0 && length <= n - at);
        assert_int_equal(pretok_sentence(text + at, length), length);
        for (size_t k = 0, word; k < length; k += word) {
            const char *p = text + at + k;
            word = pretok_next(p, length - k);
            assert_true(k == 0 || *p != '\n');
            if (k + word < length)
                assert_false(pretok_ends_sentence(p, word));
            else if (at + length < n)
                assert_true(pretok_ends_sentence(p, word) || p[word] == '\n');
        }
    }
}

static void test_words_of_sentences(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5, 0);
    static const char *const pieces[] = {
        "a",  "b1",           ".",        "!",    "?",  "\n", "\n\n",     " ",  "  ", "'", "'s",
        "\"", "\xe2\x80\xa6", "\xe3\x80", "\x82", "\t", ",",  "\xc2\xa0", "'ll"};
    for (int round = 0; round < 3000; round++) {
        char text[400] = "";
        for (uint64_t i = 0, n = 1 + rng_below(&r, 40); i < n; i++)
            strcat(text, pieces[rng_below(&r, ARRAY_LEN(pieces))]);
        check_words(NULL, text, strlen(text));
    }
    counted_tinystories(check_words, NULL);
}

/* Many words at once are the words one by one, whatever stands where in a block. */
static void expect_same_words(const char *text, size_t n)
{
    char *exact = malloc(n); /* no byte more, so that a sanitizer sees a read beyond */
    uint32_t lengths[PRETOK_MOST];
    assert_non_null(exact);
    memcpy(exact, text, n);
    for (size_t at = 0; at < n;) {
        size_t n_words = pretok_words(exact + at, n - at, lengths);
        assert_in_range(n_words, 1, PRETOK_MOST);
        for (size_t i = 0; i < n_words; at += lengths[i++])
            assert_int_equal(lengths[i], pretok_next(exact + at, n - at));
    }
    free(exact);
}

static void test_many_words_at_once(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",  "Zz", " ",  "  ", "\n",   "'s",   "'re",  "'ll",      "'",    "''",           "1",
        "90", ".",  "?!", "\t", "\x1f", "\x7f", "@[`{", "\xc3\xa9", "\x80", "\xe2\x80\x83", "once"};
    struct rng r;
    char text[512];
    rng_seed(&r, 7, 0);
    for (int round = 0; round < 20000; round++) {
        size_t n = 0, most = 1 + rng_below(&r, 200), kinds = 1 + rng_below(&r, ARRAY_LEN(pieces));
        while (n < most) {
            const char *piece = pieces[rng_below(&r, kinds)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        expect_same_words(text, n);
    }
    for (int byte = 0; byte < 256; byte++) /* each byte between letters, at each place of a block */
        for (size_t at = 1; at < 70; at++) {
            memset(text, 'x', 140);
            text[at] = (char)byte;
            expect_same_words(text, 140);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_spaces),   cmocka_unit_test(test_numbers_and_marks),
        cmocka_unit_test(test_contractions),       cmocka_unit_test(test_other_scripts),
        cmocka_unit_test(test_invalid_bytes),      cmocka_unit_test(test_stand_alone),
        cmocka_unit_test(test_real_text),          cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_words_of_sentences), cmocka_unit_test(test_many_words_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
