/* UTF-8: every code point there and back, everything else refused as Unicode's tables 3-7 and 3-8
 * say, and every character cut short told from an invalid one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/utf8.h"

/* Straight from the definition: no table, no range of second bytes. */
static size_t encode(int32_t code, char *s)
{
    if (code < 0x80) {
        s[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        s[i] = (char)(0x80 | (code & 0x3f));
    s[0] = (char)((0xf00 >> n & 0xff) | code);
    return n;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (int32_t code = 0; code <= 0x10ffff; code++) {
        char s[5] = "";
        int32_t found = -9;
        size_t n = encode(code, s);
        bool surrogate = code >= 0xd800 && code < 0xe000;
        s[n] = 'x'; /* what follows does not matter */
        if (utf8_decode(s, n + 1, &found) != (surrogate ? 1 : n) ||
            found != (surrogate ? UTF8_INVALID : code))
            fail_msg("U+%04X: found %d", (unsigned)code, (int)found);
        for (size_t cut = 1; cut < n; cut++)
            if (utf8_decode(s, cut, &found) != (surrogate ? 1 : cut) ||
                found != (surrogate && cut > 1 ? UTF8_INVALID : UTF8_CUT))
                fail_msg("U+%04X cut after %zu: found %d", (unsigned)code, cut, (int)found);
    }
}

/* Whatever 3 bytes stand there: well-formed exactly if they are what encoding gives. */
static void test_every_beginning(void **state)
{
    (void)state;
    for (uint32_t bytes = 0x800000; bytes < 0x1000000; bytes++) {
        char s[4] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes, (char)0xbf};
        char again[4];
        int32_t code;
        size_t n = utf8_decode(s, sizeof s, &code);
        if (n < 1 || n > 4 || (code < 0 && code != UTF8_INVALID) || (code < 0 && n > 3))
            fail_msg("%06x: length %zu, code %d", (unsigned)bytes, n, (int)code);
        if (code >= 0 && (encode(code, again) != n || memcmp(s, again, n) != 0))
            fail_msg("%06x: decoded as U+%04X", (unsigned)bytes, (unsigned)code);
    }
}

/* Table 3-8, the beginnings that one U+FFFD replaces, and its neighbours in the text. */
static void test_replaced_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *lengths; /* of the characters and invalid parts, in order */
    } cases[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", 9,
         "111111111"}, /* tables 3-9: non-shortest forms */
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", 9, "111111111"}, /* 3-10: surrogates */
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", 9, "111111111"}, /* 3-11: other ill-formed */
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 9, "21321"},     /* 3-12: truncated */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t at = 0;
        for (size_t part = 0; at < cases[i].n; part++) {
            int32_t code;
            size_t length = utf8_decode(cases[i].text + at, cases[i].n - at, &code);
            assert_int_equal(length, cases[i].lengths[part] - '0');
            if ((unsigned char)cases[i].text[at] >= 0x80)
                assert_int_equal(code, UTF8_INVALID);
            at += length;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_beginning),
        cmocka_unit_test(test_replaced_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
