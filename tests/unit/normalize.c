/* Normalisation: composition, repair of UTF-8, trimming, counting. Expected values are those of
 * Python's unicodedata and of its UTF-8 decoder with errors="replace". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "text/normalize.h"

static struct text_buf out;

static void expect_bytes(enum vocab_normalize form, const char *in, size_t n, const char *expected,
                         size_t n_chars, uint64_t n_invalid)
{
    struct err e;
    struct normalize_stats stats = {0};
    size_t chars = 999;
    char *exact = malloc(n ? n : 1); /* no byte more, so that a sanitizer sees a read beyond */
    memcpy(exact, in, n);
    assert_int_equal(normalize_text(form, exact, n, &out, &chars, &stats, &e), 0);
    free(exact);
    assert_int_equal(out.n, strlen(expected));
    if (out.n)
        assert_memory_equal(out.data, expected, out.n);
    assert_int_equal(chars, n_chars);
    assert_int_equal(stats.n_invalid, n_invalid);
}

static void expect(enum vocab_normalize form, const char *in, const char *expected, size_t n_chars)
{
    expect_bytes(form, in, strlen(in), expected, n_chars, 0);
}

static void ascii_is_only_trimmed(void **state)
{
    (void)state;
    for (int form = VOCAB_NORM_NONE; form <= VOCAB_NORM_NFKC; form++) {
        expect((enum vocab_normalize)form, "One day.\n\nTwo  days.", "One day.\n\nTwo  days.", 20);
        expect((enum vocab_normalize)form, " \t\r\n\v\f One day. \n", "One day.", 8);
        expect((enum vocab_normalize)form, " \n\t ", "", 0);
        expect((enum vocab_normalize)form, "", "", 0);
    }
}

static void composes(void **state)
{
    (void)state;
    expect(VOCAB_NORM_NFC, "cafe\xcc\x81 now", "caf\xc3\xa9 now", 8);
    expect(VOCAB_NORM_NONE, "cafe\xcc\x81 now", "cafe\xcc\x81 now", 9);
    expect(VOCAB_NORM_NFC, "e\xcc\x81", "\xc3\xa9", 1);  /* the ASCII letter stands at the start */
    expect(VOCAB_NORM_NFC, "\xcc\x81x", "\xcc\x81x", 2); /* a mark with nothing before it */
    /* o + dot below + circumflex, in both orders: U+1ED9 */
    expect(VOCAB_NORM_NFC, "o\xcc\xa3\xcc\x82", "\xe1\xbb\x99", 1);
    expect(VOCAB_NORM_NFC, "o\xcc\x82\xcc\xa3", "\xe1\xbb\x99", 1);
    /* Hangul syllable from its three jamo: U+AC01 */
    expect(VOCAB_NORM_NFC, "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81", 1);
    expect(VOCAB_NORM_NFC, "\xe2\x84\xab", "\xc3\x85", 1); /* the angstrom sign */
}

static void compatibility_only_in_nfkc(void **state)
{
    (void)state;
    expect(VOCAB_NORM_NFC, "\xef\xac\x81sh", "\xef\xac\x81sh", 3); /* the ligature fi */
    expect(VOCAB_NORM_NFKC, "\xef\xac\x81sh", "fish", 4);
    expect(VOCAB_NORM_NFKC, "a\xe2\x80\xa6", "a...", 4);
    expect(VOCAB_NORM_NFKC, "x\xc2\xb2", "x2", 2);
}

static void trims_unicode_white_space(void **state)
{
    (void)state;
    expect(VOCAB_NORM_NFC, "\xc2\xa0\xe3\x80\x80 day\xe2\x80\xa8\xc2\x85", "day", 3);
    expect(VOCAB_NORM_NFC,
           "\xe2\x80\x8b"
           "day",
           "\xe2\x80\x8b"
           "day",
           4); /* U+200B is none */
    expect(VOCAB_NORM_NFC,
           "\x1c"
           "day\x1f",
           "\x1c"
           "day\x1f",
           5); /* nor are these controls */
    expect(VOCAB_NORM_NONE, "\xe2\x80\x89\xe1\x9a\x80", "", 0);
}

static void replaces_invalid_utf8(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    expect_bytes(VOCAB_NORM_NFC,
                 "a\xff"
                 "b",
                 3, "a" R "b", 3, 1);
    expect_bytes(VOCAB_NORM_NFC, "\x80\xbf", 2, R R, 2, 2);
    expect_bytes(VOCAB_NORM_NFC, "a\xe2\x80", 3, "a" R, 2, 1); /* cut: one subpart */
    expect_bytes(VOCAB_NORM_NFC,
                 "\xf0\x9f\x98"
                 "a",
                 4, R "a", 2, 1);                                 /* cut in the middle */
    expect_bytes(VOCAB_NORM_NFC, "\xed\xa0\x80", 3, R R R, 3, 3); /* a surrogate */
    expect_bytes(VOCAB_NORM_NFC, "\xc0\xaf\xe0\x80\xaf", 5, R R R R R, 5, 5); /* over-long */
    expect_bytes(VOCAB_NORM_NFC, "\xf4\x90\x80\x80", 4, R R R R, 4, 4);       /* beyond U+10FFFF */
    expect_bytes(VOCAB_NORM_NFC, "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf", 1, 0);
    expect_bytes(VOCAB_NORM_NONE, "\xc3", 1, R, 1, 1);
#undef R
}

/* A hundred thousand marks in the wrong order are put right, and not in quadratic time. */
static void many_marks(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *in = malloc(1 + 4 * N);
    char *expected = malloc(4 * N + 3);
    in[0] = 'a';
    memcpy(expected, "\xe1\xba\xa1", 3); /* a with the first dot below */
    for (size_t i = 0; i < N; i++) {
        memcpy(in + 1 + 2 * i, "\xcc\x81", 2);       /* acute: class 230 */
        memcpy(in + 1 + 2 * (N + i), "\xcc\xa3", 2); /* dot below: class 220 */
        if (i + 1 < N)
            memcpy(expected + 3 + 2 * i, "\xcc\xa3", 2);
        memcpy(expected + 3 + 2 * (N - 1 + i), "\xcc\x81", 2);
    }
    expected[3 + 2 * (2 * N - 1)] = '\0';
    expect_bytes(VOCAB_NORM_NFC, in, 1 + 4 * N, expected, 2 * N, 0);
    free(in);
    free(expected);
}

static void keeps_nul(void **state)
{
    (void)state;
    struct err e;
    struct normalize_stats stats = {0};
    size_t chars;
    assert_int_equal(normalize_text(VOCAB_NORM_NFC, " \0\xc3\xa9\0 ", 6, &out, &chars, &stats, &e),
                     0);
    assert_int_equal(out.n, 4);
    assert_memory_equal(out.data, "\0\xc3\xa9\0", 4);
    assert_int_equal(chars, 3);
}

/* The buffer is used again by every story: a short one after a long one keeps nothing of it. */
static void long_stories(void **state)
{
    (void)state;
    enum { N = 300000 };
    char *in = malloc(2 * N);
    char *expected = malloc(2 * N + 1);
    for (size_t i = 0; i < N; i++)
        memcpy(in + 2 * i, "\xc3\xa9", 2);
    memcpy(expected, in, 2 * N);
    expected[2 * N] = '\0';
    expect_bytes(VOCAB_NORM_NFC, in, 2 * N, expected, N, 0);
    expect(VOCAB_NORM_NFC, "short", "short", 5);
    free(in);
    free(expected);
}

static size_t put_utf8(uint32_t code, char *to)
{
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    size_t n = code < 0x10000 ? 3 : 4;
    to[0] = (char)(n == 3 ? 0xe0 | code >> 12 : 0xf0 | code >> 18);
    for (size_t i = 1; i < n; i++)
        to[i] = (char)(0x80 | (code >> 6 * (n - 1 - i) & 0x3f));
    return n;
}

/* The room reserved is enough for texts of any code point. */
static void reserves_enough(void **state)
{
    (void)state;
    enum { BYTES = 600 }; /* where the first growth of an array no longer hides too little */
    struct err e;
    for (int form = VOCAB_NORM_NFC; form <= VOCAB_NORM_NFKC; form++) {
        struct unicode_scratch w = {0};
        struct text_buf made = {0};
        assert_int_equal(normalize_reserve(&w, &made, (enum vocab_normalize)form, BYTES, &e), 0);
        const struct unicode_scratch reserved = w;
        const size_t capacity = made.capacity;
        size_t most = 0;
        for (uint32_t code = 0x80; code < 0x110000; code++) {
            char text[BYTES + 4];
            struct normalize_stats stats = {0};
            size_t n_chars;
            if (code >= 0x20000 && code % 64) /* ideographs and the void: some of them */
                continue;
            size_t length = put_utf8(code, text);
            size_t n = BYTES / length * length;
            for (size_t at = length; at < n; at++)
                text[at] = text[at - length];
            assert_int_equal(normalize_text_in(&w, (enum vocab_normalize)form, text, n, &made,
                                               &n_chars, &stats, &e),
                             0);
            most = made.n > most ? made.n : most;
        }
        assert_int_equal(made.capacity, capacity);
        assert_int_equal(w.capacity, reserved.capacity);
        assert_int_equal(w.marks_capacity, reserved.marks_capacity);
        assert_int_equal(most, form == VOCAB_NORM_NFC ? 3 * BYTES : 11 * BYTES);
        unicode_scratch_release(&w);
        free(made.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_is_only_trimmed),
        cmocka_unit_test(composes),
        cmocka_unit_test(compatibility_only_in_nfkc),
        cmocka_unit_test(trims_unicode_white_space),
        cmocka_unit_test(replaces_invalid_utf8),
        cmocka_unit_test(long_stories),
        cmocka_unit_test(many_marks),
        cmocka_unit_test(keeps_nul),
        cmocka_unit_test(reserves_enough),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(out.data);
    return failed;
}
