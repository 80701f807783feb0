/* Normalisation: composition, repair of UTF-8, trimming, counting. Expected values are those of
 * Python's unicodedata and of its UTF-8 decoder with errors="replace". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "text/normalize.h"

static const struct vocab_form NONE = {VOCAB_NORM_NONE, VOCAB_LINES_LF};
static const struct vocab_form NFC = {VOCAB_NORM_NFC, VOCAB_LINES_LF};
static const struct vocab_form NFKC = {VOCAB_NORM_NFKC, VOCAB_LINES_LF};
static const struct vocab_form KEPT = {VOCAB_NORM_NFC, VOCAB_LINES_KEPT};

static struct text_buf out;

static void expect_bytes(struct vocab_form form, const char *in, size_t n, const char *expected,
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

static void expect(struct vocab_form form, const char *in, const char *expected, size_t n_chars)
{
    expect_bytes(form, in, strlen(in), expected, n_chars, 0);
}

static void test_ascii_is_only_trimmed(void **state)
{
    (void)state;
    const struct vocab_form forms[] = {NONE, NFC, NFKC, KEPT};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        expect(forms[i], "One day.\n\nTwo  days.", "One day.\n\nTwo  days.", 20);
        expect(forms[i], " \t\r\n\v\f One day. \n", "One day.", 8);
        expect(forms[i], " \n\t ", "", 0);
        expect(forms[i], "", "", 0);
    }
}

static void test_composes(void **state)
{
    (void)state;
    expect(NFC, "cafe\xcc\x81 now", "caf\xc3\xa9 now", 8);
    expect(NONE, "cafe\xcc\x81 now", "cafe\xcc\x81 now", 9);
    expect(NFC, "e\xcc\x81", "\xc3\xa9", 1);  /* the ASCII letter stands at the start */
    expect(NFC, "\xcc\x81x", "\xcc\x81x", 2); /* a mark with nothing before it */
    /* o + dot below + circumflex, in both orders: U+1ED9 */
    expect(NFC, "o\xcc\xa3\xcc\x82", "\xe1\xbb\x99", 1);
    expect(NFC, "o\xcc\x82\xcc\xa3", "\xe1\xbb\x99", 1);
    /* Hangul syllable from its three jamo: U+AC01 */
    expect(NFC, "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81", 1);
    expect(NFC, "\xe2\x84\xab", "\xc3\x85", 1); /* the angstrom sign */
}

static void test_compatibility_only_in_nfkc(void **state)
{
    (void)state;
    expect(NFC, "\xef\xac\x81sh", "\xef\xac\x81sh", 3); /* the ligature fi */
    expect(NFKC, "\xef\xac\x81sh", "fish", 4);
    expect(NFKC, "a\xe2\x80\xa6", "a...", 4);
    expect(NFKC, "x\xc2\xb2", "x2", 2);
}

static void test_trims_unicode_white_space(void **state)
{
    (void)state;
    expect(NFC, "\xc2\xa0\xe3\x80\x80 day\xe2\x80\xa8\xc2\x85", "day", 3);
    expect(NFC,
           "\xe2\x80\x8b"
           "day",
           "\xe2\x80\x8b"
           "day",
           4); /* U+200B is none */
    expect(NFC,
           "\x1c"
           "day\x1f",
           "\x1c"
           "day\x1f",
           5); /* nor are these controls */
    expect(NONE, "\xe2\x80\x89\xe1\x9a\x80", "", 0);
}

static void test_replaces_invalid_utf8(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    expect_bytes(NFC,
                 "a\xff"
                 "b",
                 3, "a" R "b", 3, 1);
    expect_bytes(NFC, "\x80\xbf", 2, R R, 2, 2);
    expect_bytes(NFC, "a\xe2\x80", 3, "a" R, 2, 1); /* cut: one subpart */
    expect_bytes(NFC,
                 "\xf0\x9f\x98"
                 "a",
                 4, R "a", 2, 1);                                  /* cut in the middle */
    expect_bytes(NFC, "\xed\xa0\x80", 3, R R R, 3, 3);             /* a surrogate */
    expect_bytes(NFC, "\xc0\xaf\xe0\x80\xaf", 5, R R R R R, 5, 5); /* over-long */
    expect_bytes(NFC, "\xf4\x90\x80\x80", 4, R R R R, 4, 4);       /* beyond U+10FFFF */
    expect_bytes(NFC, "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf", 1, 0);
    expect_bytes(NONE, "\xc3", 1, R, 1, 1);
#undef R
}

/* A hundred thousand marks in the wrong order are put right, and not in quadratic time. */
static void test_many_marks(void **state)
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
    expect_bytes(NFC, in, 1 + 4 * N, expected, 2 * N, 0);
    free(in);
    free(expected);
}

static void test_keeps_nul(void **state)
{
    (void)state;
    struct err e;
    struct normalize_stats stats = {0};
    size_t chars;
    assert_int_equal(normalize_text(NFC, " \0\xc3\xa9\0 ", 6, &out, &chars, &stats, &e), 0);
    assert_int_equal(out.n, 4);
    assert_memory_equal(out.data, "\0\xc3\xa9\0", 4);
    assert_int_equal(chars, 3);
}

/* The buffer is used again by every story: a short one after a long one keeps nothing of it. */
static void test_long_stories(void **state)
{
    (void)state;
    enum { N = 300000 };
    char *in = malloc(2 * N);
    char *expected = malloc(2 * N + 1);
    for (size_t i = 0; i < N; i++)
        memcpy(in + 2 * i, "\xc3\xa9", 2);
    memcpy(expected, in, 2 * N);
    expected[2 * N] = '\0';
    expect_bytes(NFC, in, 2 * N, expected, N, 0);
    expect(NFC, "short", "short", 5);
    free(in);
    free(expected);
}

/* Normalises twice: the second time changes nothing. */
static void expect_lines(const char *in, const char *expected, size_t n_chars)
{
    const struct vocab_form forms[] = {NONE, NFC, NFKC};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        expect(forms[i], in, expected, n_chars);
        expect(forms[i], expected, expected, n_chars);
    }
}

#define BOM "\xef\xbb\xbf"

static void test_line_ends_are_lf(void **state)
{
    (void)state;
    expect_lines("One\r\ntwo\r\n\r\nthree\r\n", "One\ntwo\n\nthree", 14); /* Windows */
    expect_lines("One\rtwo\r\rthree\r", "One\ntwo\n\nthree", 14);         /* the old Mac */
    expect_lines("One\r\ntwo\nthree\rfour", "One\ntwo\nthree\nfour", 18); /* all at once */
    expect_lines("a\r\r\nb\n\rc", "a\n\nb\n\nc", 7);                      /* CR, CR LF; LF, CR */
    expect_lines("caf\xc3\xa9\r\n\xe2\x80\x9cyes\xe2\x80\x9d\r",
                 "caf\xc3\xa9\n\xe2\x80\x9cyes\xe2\x80\x9d", 10);
    expect_lines("\r\n\r", "", 0);
    expect_lines("a\xe2\x80\xa8"
                 "b\xc2\x85"
                 "c\vd\fe",
                 "a\xe2\x80\xa8"
                 "b\xc2\x85"
                 "c\vd\fe",
                 9); /* other separators are characters of the text */
    expect(KEPT, "One\r\ntwo\rthree\r\n", "One\r\ntwo\rthree", 14);
    /* a mark after a line end composes with nothing */
    expect(NFC, "e\r\n\xcc\x81", "e\n\xcc\x81", 3);
}

static void test_no_byte_order_mark_begins_a_line(void **state)
{
    (void)state;
    expect_lines(BOM "One", "One", 3);
    expect_lines(BOM BOM "One\n" BOM "two\r" BOM BOM "three", "One\ntwo\nthree", 13);
    expect_lines("One\r\n" BOM "\r\n" BOM "two", "One\n\ntwo", 8);
    expect_lines(" " BOM "\t" BOM " One " BOM, "One " BOM, 5); /* in the white space at the start */
    expect_lines("no" BOM "break \n " BOM "x", "no" BOM "break \n " BOM "x",
                 13); /* elsewhere a character */
    expect_lines(BOM, "", 0);
    expect_lines("One\n" BOM "\n" BOM, "One", 3);
    expect_bytes(NFC, "One\n\xef\xbb", 6, "One\n\xef\xbf\xbd", 5, 1); /* not a whole one */
    expect(NFC, BOM "\xcc\x81x", "\xcc\x81x", 2);
    expect(KEPT, BOM "One\n" BOM "two", BOM "One\n" BOM "two", 9);
}

/* The definition of steps 3 and 4, character by character, on texts of little else. */
static void test_lines_like_the_definition(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\r", "\n", BOM, " ", "a", "\xc3\xa9", "\xe2\x80\xa8"};
    struct rng r;
    rng_seed(&r, 4, 0);
    for (int round = 0; round < 20000; round++) {
        char in[64] = "";
        char lines[64] = {0};
        for (size_t i = rng_below(&r, 12); i > 0; i--)
            strcat(in, pieces[rng_below(&r, ARRAY_LEN(pieces))]);
        for (const char *p = in; *p;) { /* step 3, a character at a time */
            size_t n = strlen(lines);
            bool begins = n == 0 || lines[n - 1] == '\n';
            if (!strncmp(p, BOM, 3) && begins) {
                p += 3;
            } else if (*p == '\r') {
                strcat(lines, "\n");
                p += p[1] == '\n' ? 2 : 1;
            } else {
                lines[n] = *p++; /* zeros follow */
            }
        }
        char *start = lines; /* step 4 */
        for (size_t n; (n = strspn(start, " \n")) ||
                       (!strncmp(start, "\xe2\x80\xa8", 3) && (n = 3)) ||
                       (!strncmp(start, BOM, 3) && (n = 3));)
            start += n;
        for (size_t n; (n = strlen(start)) && (strchr(" \n", start[n - 1]) ||
                                               (n >= 3 && !strcmp(start + n - 3, "\xe2\x80\xa8")));)
            start[n - (start[n - 1] == '\xa8' ? 3 : 1)] = '\0';
        expect_lines(in, start, normalize_count_chars(start, strlen(start)));
    }
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
static void test_reserves_enough(void **state)
{
    (void)state;
    enum { BYTES = 600 }; /* where the first growth of an array no longer hides too little */
    struct err e;
    for (int i = 0; i < 2; i++) {
        const struct vocab_form form = i ? NFKC : NFC;
        struct unicode_scratch w = {0};
        struct text_buf made = {0};
        assert_int_equal(normalize_reserve(&w, &made, form, BYTES, &e), 0);
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
            assert_int_equal(normalize_text_in(&w, form, text, n, &made, &n_chars, &stats, &e), 0);
            most = made.n > most ? made.n : most;
        }
        assert_int_equal(made.capacity, capacity);
        assert_int_equal(w.capacity, reserved.capacity);
        assert_int_equal(w.marks_capacity, reserved.marks_capacity);
        assert_int_equal(most, form.normalize == VOCAB_NORM_NFC ? 3 * BYTES : 11 * BYTES);
        unicode_scratch_release(&w);
        free(made.data);
    }
}

/* The short cut for characters that NFC leaves alone: each code point between others that might be
 * composed with it is what composing makes of all. */
static void test_short_cut_of_inert_characters(void **state)
{
    (void)state;
    struct unicode_scratch w = {0};
    for (uint32_t code = 0x80; code < 0x20000; code++) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        struct err e;
        struct normalize_stats stats = {0};
        char text[32] = "xe";
        size_t n = 2, n_chars, n_composed;
        const char *composed;
        n += put_utf8(code, text + n);
        memcpy(text + n, "\xc3\xa9\xc2\xb5y", 5);
        n += 5;
        assert_int_equal(unicode_compose(false, text, n, &w, &composed, &n_composed, &e), 0);
        assert_int_equal(normalize_text(NFC, text, n, &out, &n_chars, &stats, &e), 0);
        assert_int_equal(out.n, n_composed);
        assert_memory_equal(out.data, composed, n_composed);
    }
    unicode_scratch_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ascii_is_only_trimmed),
        cmocka_unit_test(test_composes),
        cmocka_unit_test(test_compatibility_only_in_nfkc),
        cmocka_unit_test(test_trims_unicode_white_space),
        cmocka_unit_test(test_replaces_invalid_utf8),
        cmocka_unit_test(test_long_stories),
        cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_keeps_nul),
        cmocka_unit_test(test_line_ends_are_lf),
        cmocka_unit_test(test_no_byte_order_mark_begins_a_line),
        cmocka_unit_test(test_lines_like_the_definition),
        cmocka_unit_test(test_reserves_enough),
        cmocka_unit_test(test_short_cut_of_inert_characters),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(out.data);
    return failed;
}
