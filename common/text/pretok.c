#include "text/pretok.h"

#include "text/unicode.h"

/* Length of 's 't 'm 'd 're 've 'll at text[0..n), where text[0] is an apostrophe; else 0. */
static size_t contraction(const char *text, size_t n)
{
    if (n >= 2 && (text[1] == 's' || text[1] == 't' || text[1] == 'm' || text[1] == 'd'))
        return 2;
    if (n >= 3 && ((text[1] == 'r' && text[2] == 'e') || (text[1] == 'v' && text[2] == 'e') ||
                   (text[1] == 'l' && text[2] == 'l')))
        return 3;
    return 0;
}

static enum unicode_class class_at(const char *text, size_t n, size_t *length)
{
    unsigned char b = (unsigned char)text[0];
    if (b < 0x80) {
        *length = 1;
        return unicode_ascii_class[b];
    }
    return unicode_class_at(text, n, length);
}

/* End of the run of characters of one class that continues at text[at]; *last gets the start of its
 * last character if it has any. */
static size_t run_end(const char *text, size_t n, size_t at, enum unicode_class class, size_t *last)
{
    size_t length;
    while (at < n && class_at(text + at, n - at, &length) == class) {
        *last = at;
        at += length;
    }
    return at;
}

size_t pretok_next(const char *text, size_t n)
{
    if (text[0] == '\'') {
        size_t length = contraction(text, n);
        if (length)
            return length;
    }
    size_t at = text[0] == ' ' && n > 1;
    size_t length;
    enum unicode_class class = class_at(text + at, n - at, &length);
    size_t last = at;
    size_t end = run_end(text, n, at + length, class, &last);
    if (class != UNICODE_SPACE)
        return end;
    /* \s+(?!\S): the last space before something else is left for it, unless it is the only one */
    return end < n && last > 0 ? last : end;
}
