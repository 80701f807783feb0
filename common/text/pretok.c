#include "text/pretok.h"

#include <string.h>

#include "base/ascii.h"
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

/* Classes of 16 bytes, as unicode_ascii_class has them; 0x80 and more for those that are not ASCII.
 */
static ascii_bytes classes(ascii_bytes b)
{
    ascii_bytes letter = (ascii_bytes)((b | 0x20) - 'a' <= 'z' - 'a');
    ascii_bytes number = (ascii_bytes)(b - '0' <= 9);
    ascii_bytes space = (ascii_bytes)(b - '\t' <= '\r' - '\t') | (ascii_bytes)(b == ' ');
    return (letter & UNICODE_LETTER) | (number & UNICODE_NUMBER) | (space & UNICODE_SPACE) |
           (b & 0x80);
}

/* Length of the word of letters, of digits or of marks that starts text[0..n), if it and what
 * follows it are ASCII in its first 16 bytes after a space; 0 to be cut otherwise. Most words of
 * most texts are cut here, without a branch that is hard to foretell. */
static size_t next_short(const char *text, size_t n)
{
    size_t at = text[0] == ' ';
    if (n < at + ASCII_BYTES)
        return 0;
    unsigned char first = (unsigned char)text[at];
    ascii_bytes v = classes(ascii_load(text + at));
    unsigned run = ascii_first(v ^ unicode_ascii_class[first]);
    bool ends = run < ASCII_BYTES && (unsigned char)text[at + MIN(run, ASCII_BYTES - 1U)] < 0x80;
    return ends && first < 0x80 && unicode_ascii_class[first] != UNICODE_SPACE ? at + run : 0;
}

size_t pretok_next(const char *text, size_t n)
{
    size_t length;
    if (text[0] == '\'' && (length = contraction(text, n)))
        return length;
    if ((length = next_short(text, n)))
        return length;
    size_t at = text[0] == ' ' && n > 1;
    enum unicode_class class = class_at(text + at, n - at, &length);
    size_t last = at;
    size_t end = run_end(text, n, at + length, class, &last);
    if (class != UNICODE_SPACE)
        return end;
    /* \s+(?!\S): the last space before something else is left for it, unless it is the only one */
    return end < n && last > 0 ? last : end;
}

/* Bytes that a mark or a line feed can begin with. */
static const bool may_end[256] = {['\n'] = true, ['.'] = true,  ['!'] = true, ['?'] = true,
                                  [0xe2] = true, [0xe3] = true, [0xef] = true};

/* Length of the mark that starts text[0..n), n > 0; 0 if there is none. */
static size_t mark_length(const char *text, size_t n)
{
    static const char others[][4] = {"\xe2\x80\xa6", "\xe3\x80\x82", "\xef\xbc\x81",
                                     "\xef\xbc\x9f"};
    if (text[0] == '.' || text[0] == '!' || text[0] == '?')
        return 1;
    for (size_t i = 0; n >= 3 && i < ARRAY_LEN(others); i++)
        if (!memcmp(text, others[i], 3))
            return 3;
    return 0;
}

/* Where the first mark or line feed of text[0..n) begins, n if there is none; *length gets that of
 * a mark, 0 without one. */
static size_t find_end(const char *text, size_t n, size_t *length)
{
    *length = 0;
    for (size_t at = 0; at < n; at++) {
        if (!may_end[(unsigned char)text[at]])
            continue;
        *length = mark_length(text + at, n - at);
        if (*length || text[at] == '\n')
            return at;
    }
    return n;
}

size_t pretok_sentence(const char *text, size_t n)
{
    size_t length;
    size_t at = find_end(text, n, &length);
    if (!length) {
        while (!at || (at < n && text[0] == '\n' && text[at] == '\n'))
            at++;
        return at;
    }
    return run_end(text, n, at + length, UNICODE_OTHER, &length);
}

bool pretok_ends_sentence(const char *word, size_t n)
{
    size_t length;
    return find_end(word, n, &length) < n;
}
