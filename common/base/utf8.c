#include "base/utf8.h"

/* Table 3-7 of the Unicode standard: only the second byte has ranges of its own. */
size_t utf8_decode_other(const unsigned char *s, size_t n, int32_t *code)
{
    *code = UTF8_INVALID;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 1;
    size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    int32_t value = s[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == n) {
            *code = UTF8_CUT;
            return i;
        }
        if (s[i] < low || s[i] > high)
            return i;
        value = value << 6 | (s[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *code = value;
    return length;
}
