#include "text/unicode.h"

#include <utf8proc.h>

#define O UNICODE_OTHER
#define L UNICODE_LETTER
#define N UNICODE_NUMBER
#define S UNICODE_SPACE
const unsigned char unicode_ascii_class[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};
#undef O
#undef L
#undef N
#undef S

/* Length of the sequence that a lead byte begins, and the range its second byte must be in (Unicode
 * table 3-7); 0 for a byte that begins none. */
static size_t lead(unsigned char b, unsigned char *low, unsigned char *high)
{
    *low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    *high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    if (b < 0xc2 || b > 0xf4)
        return 0;
    return b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

size_t unicode_decode(const char *s, size_t n, int32_t *code)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    unsigned char low;
    unsigned char high;
    size_t length = lead(p[0], &low, &high);
    *code = UNICODE_INVALID;
    if (!length)
        return 1;
    int32_t value = p[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == n || p[i] < low || p[i] > high)
            return i;
        value = value << 6 | (p[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *code = value;
    return length;
}

static bool is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

enum unicode_class unicode_class(int32_t code)
{
    if (code < 0)
        return UNICODE_OTHER;
    if (code < 0x80)
        return unicode_ascii_class[code];
    if (is_space(code))
        return UNICODE_SPACE;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return UNICODE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return UNICODE_NUMBER;
    default:
        return UNICODE_OTHER;
    }
}

enum unicode_class unicode_class_at(const char *s, size_t n, size_t *length)
{
    int32_t code;
    *length = unicode_decode(s, n, &code);
    return unicode_class(code);
}

int unicode_compose(bool compat, const char *s, size_t n, char **out, size_t *n_out, struct err *e)
{
    utf8proc_uint8_t *result = NULL;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (compat)
        options |= UTF8PROC_COMPAT;
    utf8proc_ssize_t got =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &result, options);
    if (got < 0)
        return err_set(e, "cannot normalise text: %s", utf8proc_errmsg(got));
    *out = (char *)result;
    *n_out = (size_t)got;
    return 0;
}
