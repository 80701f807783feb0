#include "corpus/jsonrepair.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

static const char MARK[] = "\xef\xbf\xbe"; /* U+FFFE */
enum { MARK_BYTES = 3, ESCAPE_BYTES = 6 }; /* of the mark; of "\uXXXX" */
static const char INVALID_BYTE = '\xff';

/* The code unit of the escape \uXXXX that starts text[0..n), or -1. */
static long escaped_unit(const char *text, size_t n)
{
    char digits[5] = {0};
    if (n < ESCAPE_BYTES || text[0] != '\\' || text[1] != 'u')
        return -1;
    memcpy(digits, text + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

static bool is_high(long unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(long unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Length of the escape at text[0..n), text[0] a backslash; *sound is false for half a pair. */
static size_t escape_length(const char *text, size_t n, bool *sound)
{
    long unit = escaped_unit(text, n);
    *sound = !is_high(unit) && !is_low(unit);
    if (is_high(unit) && is_low(escaped_unit(text + ESCAPE_BYTES, n - ESCAPE_BYTES))) {
        *sound = true;
        return 2 * ESCAPE_BYTES;
    }
    return unit >= 0 ? ESCAPE_BYTES
                     : MIN(n, (size_t)2); /* "\\", "\n": the next byte is no escape */
}

int jsonrepair_hide(const char *text, size_t n, char **out, size_t *n_out, struct err *e)
{
    size_t capacity;
    char *copy = size_mul(n, MARK_BYTES, &capacity) ? malloc(MAX(capacity, 1)) : NULL;
    if (!copy)
        return err_memory(e, "out of memory");
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        bool sound;
        size_t length;
        if (text[i] == '\\') {
            length = escape_length(text + i, n - i, &sound);
        } else {
            int32_t code;
            length = unicode_decode(text + i, n - i, &code);
            sound = code != UNICODE_INVALID;
        }
        memcpy(copy + used, sound ? text + i : MARK, sound ? length : MARK_BYTES);
        used += sound ? length : MARK_BYTES;
        i += length;
    }
    *out = copy;
    *n_out = used;
    return 0;
}

size_t jsonrepair_show(char *text, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        bool mark = n - i >= MARK_BYTES && memcmp(text + i, MARK, MARK_BYTES) == 0;
        text[used++] = mark ? INVALID_BYTE : text[i];
        i += mark ? MARK_BYTES : 1;
    }
    return used;
}
