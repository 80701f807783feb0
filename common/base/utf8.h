/* utf8.h - UTF-8, decoded. */
#ifndef UTF8_H
#define UTF8_H

#include "base/base.h"

/* What stands in place of a code point. */
enum {
    UTF8_INVALID = -1, /* bytes that no well-formed UTF-8 holds */
    UTF8_CUT = -2      /* the beginning of a character, after which the text ends */
};

/* What a text shows for invalid bytes: U+FFFD. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

size_t utf8_decode_other(const unsigned char *s, size_t n, int32_t *code); /* not ASCII */

/* Decodes the character at s[0..n), n > 0: returns its length in bytes and stores its code point,
 * or one of the above with the length of the longest beginning of a well-formed character, at least
 * 1, which is what one U+FFFD replaces (Unicode 15, section 3.9, tables 3-7 and 3-8). */
static inline size_t utf8_decode(const char *s, size_t n, int32_t *code)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] >= 0x80)
        return utf8_decode_other(p, n, code);
    *code = p[0];
    return 1;
}

#endif
