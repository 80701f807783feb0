#include "text/bytechar.h"

#include "base/utf8.h"

/* The bytes that are not printable, in order: 0 to 32, 127 to 160, 173 (the soft hyphen). */
enum { LOW = 33, HIGH = 127, N_HIGH = 34, SOFT_HYPHEN = 173, N_HIDDEN = LOW + N_HIGH + 1 };

static bool is_hidden(uint32_t byte)
{
    return byte < LOW || (byte >= HIGH && byte < HIGH + N_HIGH) || byte == SOFT_HYPHEN;
}

int bytechar_byte(uint32_t code)
{
    if (code < 256)
        return is_hidden(code) ? BYTECHAR_NONE : (int)code;
    uint32_t i = code - 256;
    if (i >= N_HIDDEN)
        return BYTECHAR_NONE;
    if (i < LOW)
        return (int)i;
    return i < LOW + N_HIGH ? HIGH + (int)(i - LOW) : SOFT_HYPHEN;
}

ptrdiff_t bytechar_decode(const char *name, size_t n, unsigned char *bytes)
{
    ptrdiff_t n_bytes = 0;
    for (size_t i = 0; i < n;) {
        int32_t code;
        i += utf8_decode(name + i, n - i, &code);
        int byte = code < 0 ? BYTECHAR_NONE : bytechar_byte((unsigned)code);
        if (byte == BYTECHAR_NONE)
            return BYTECHAR_NONE;
        bytes[n_bytes++] = (unsigned char)byte;
    }
    return n_bytes;
}

uint32_t bytechar_code(unsigned char byte)
{
    if (!is_hidden(byte))
        return byte;
    if (byte < LOW)
        return 256u + byte;
    return byte == SOFT_HYPHEN ? 256 + N_HIDDEN - 1 : 256u + LOW + (byte - HIGH);
}
