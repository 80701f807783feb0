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

/* ---- many words ------------------------------------------------------------------------------ */

/* 64 bytes, the first lowest: bit i says what byte i is. */
struct block {
    uint64_t letter, number, white, space, other, apostrophe; /* space: U+0020; other: ASCII */
    uint64_t foreign;                                         /* not ASCII */
};

/* The classes are those of unicode_ascii_class. */
static void classify(struct block *k, const char *text)
{
    *k = (struct block){0};
    for (int i = 0; i < 64; i += ASCII_BYTES) {
        ascii_bytes b = ascii_load(text + i);
        ascii_bytes space = (ascii_bytes)(b == ' ');
        ascii_bytes white = (ascii_bytes)(b - '\t' <= '\r' - '\t') | space;
        k->letter |= (uint64_t)ascii_bits((ascii_bytes)((b | 0x20) - 'a' <= 'z' - 'a')) << i;
        k->number |= (uint64_t)ascii_bits((ascii_bytes)(b - '0' <= 9)) << i;
        k->white |= (uint64_t)ascii_bits(white) << i;
        k->space |= (uint64_t)ascii_bits(space) << i;
        k->apostrophe |= (uint64_t)ascii_bits((ascii_bytes)(b == '\'')) << i;
        k->foreign |= (uint64_t)ascii_bits(b) << i;
    }
    k->other = ~(k->letter | k->number | k->white | k->foreign);
}

/* Where words start in a block of ASCII that starts with one. White space starts one where it
 * follows something else, and at its last character before something else; anything else does where
 * its class changes, unless the space before it is its own. Bit 63, whose neighbour is not seen, is
 * void. */
static uint64_t find_starts(const struct block *k, const char *text)
{
    uint64_t goes_on = (k->letter & k->letter << 1) | (k->number & k->number << 1) |
                       (k->other & k->other << 1) | (~k->white & k->space << 1);
    uint64_t within_white = k->white & k->white << 1 & k->white >> 1;
    uint64_t starts = ~(goes_on | within_white) | 1;
    for (uint64_t left = starts & k->apostrophe; left; left &= left - 1) {
        unsigned at = (unsigned)__builtin_ctzll(left);
        size_t length = contraction(text + at, 64 - at), end = at + length;
        if (length)
            starts &= ~(UINT64_C(2) << at); /* its letter */
        if (length && end < 64)
            starts |= UINT64_C(1) << end; /* even in the midst of letters */
    }
    return starts;
}

/* Where words end in the first bytes of text[0..n), as far as that is certain: bit i says that one
 * ends before byte i > 0. */
static uint64_t find_ends(const char *text, size_t n)
{
    char tail[64];
    size_t n_seen = sizeof tail;
    if (n < sizeof tail) { /* white space does to words what the end of the text does */
        memset(tail, '\n', sizeof tail);
        text = memcpy(tail, text, n);
    }
    struct block k;
    classify(&k, text);
    uint64_t starts = find_starts(&k, text);
    if (k.foreign)
        n_seen = (size_t)__builtin_ctzll(k.foreign);
    else if (n < sizeof tail)
        return (starts & ((UINT64_C(1) << n) - 1) & ~UINT64_C(1)) | UINT64_C(1) << n;
    /* a start is certain where what follows it is seen */
    return n_seen < 2 ? 0 : starts & ((UINT64_C(1) << (n_seen - 1)) - 1) & ~UINT64_C(1);
}

size_t pretok_words(const char *text, size_t n, uint32_t lengths[PRETOK_MOST])
{
    bool foreign = (unsigned char)(text[0] | text[n > 1]) >= 0x80;
    uint64_t ends = foreign ? 0 : find_ends(text, n);
    size_t n_words = 0;
    for (uint32_t begin = 0, end; ends; ends &= ends - 1, begin = end) {
        end = (uint32_t)__builtin_ctzll(ends);
        lengths[n_words++] = end - begin;
    }
    if (!n_words) {
        size_t length = pretok_next(text, n);
        lengths[n_words++] = (uint32_t)length;
    }
    return n_words;
}

/* ---- sentences ------------------------------------------------------------------------------- */

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
