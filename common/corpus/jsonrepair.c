#include "corpus/jsonrepair.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/ascii.h"

enum { ESCAPE_BYTES = 6 /* of "\uXXXX" */ };

/* What begins at text[0..n), n > 0: its length, and what stands for it. */
struct piece {
    size_t n;         /* 0: the end of the block cuts it */
    const char *with; /* NULL: it is sound */
    size_t n_with;
};

/* The code unit of the escape \uXXXX that begins text[0..n), or -1. */
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

/* text[0] is a backslash within a string. */
static struct piece escape(const char *text, size_t n, bool last)
{
    const struct piece cut = {0}, half = {ESCAPE_BYTES, "\xff", 1};
    if (n < 2 || (text[1] == 'u' && n < ESCAPE_BYTES))
        return last ? (struct piece){n, NULL, 0} : cut;
    long unit = escaped_unit(text, n);
    if (unit < 0)
        return (struct piece){2, NULL, 0}; /* the byte after it is no quote of the string's */
    if (is_low(unit))
        return half;
    if (!is_high(unit))
        return (struct piece){ESCAPE_BYTES, NULL, 0};
    const char *second = text + ESCAPE_BYTES;
    size_t left = n - ESCAPE_BYTES;
    if (is_low(escaped_unit(second, left)))
        return (struct piece){2 * (size_t)ESCAPE_BYTES, NULL, 0};
    bool open =
        left < ESCAPE_BYTES && (left < 1 || second[0] == '\\') && (left < 2 || second[1] == 'u');
    return open && !last ? cut : half;
}

/* text[0] is one of "-NI\xef" outside of a string. */
static struct piece word(const char *text, size_t n, bool last)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t length = strlen(words[i]);
        if (n >= length && !memcmp(text, words[i], length))
            return i == 3 ? (struct piece){length, "", 0} : (struct piece){length, "null", 4};
        if (n < length && !last && !memcmp(text, words[i], n))
            return (struct piece){0};
    }
    return (struct piece){1, NULL, 0};
}

/* The bytes that may need repair, or end or begin a string. */
static bool is_plain(char c, bool quoted)
{
    if (quoted)
        return c != '"' && c != '\\';
    return c != '"' && c != '-' && c != 'N' && c != 'I' && c != '\xef';
}

/* Bytes of text[0..n) up to the first of these. */
static size_t plain_run(const char *text, size_t n, bool quoted)
{
    size_t i = 0;
    for (; quoted && n - i >= ASCII_BYTES; i += ASCII_BYTES) { /* most of a file is strings */
        ascii_bytes b = ascii_load(text + i), ends = (ascii_bytes)((b == '"') | (b == '\\'));
        if (ascii_any(ends))
            return i + ascii_first(ends);
    }
    while (i < n && is_plain(text[i], quoted))
        i++;
    return i;
}

static int append(struct jsonrepair *r, size_t *used, const char *data, size_t n, struct err *e)
{
    if (array_reserve(&r->out, &r->out_capacity, *used + n, 1))
        return err_memory(e, "out of memory for %zu bytes of JSON", *used + n);
    if (n)
        memcpy(r->out + *used, data, n);
    *used += n;
    return 0;
}

/* Repairs text[0..n); *n_done bytes of it are dealt with, the rest is cut. */
static int repair(struct jsonrepair *r, const char *text, size_t n, bool last, size_t *n_done,
                  const char **out, size_t *n_out, struct err *e)
{
    size_t from = 0, used = 0, i = 0; /* text[from..i) is sound and not copied */
    while (i < n) {
        size_t run = plain_run(text + i, n - i, r->quoted);
        r->n_quoted += r->quoted ? run : 0;
        i += run;
        if (i == n)
            break;
        struct piece p = {1, NULL, 0};
        if (text[i] == '"') {
            r->quoted = !r->quoted;
            r->n_quoted = 0;
        } else {
            p = r->quoted ? escape(text + i, n - i, last) : word(text + i, n - i, last);
        }
        if (!p.n)
            break;
        if (p.with) {
            if (append(r, &used, text + from, i - from, e) || append(r, &used, p.with, p.n_with, e))
                return -1;
            from = i + p.n;
        }
        r->n_quoted += r->quoted ? p.n : 0;
        i += p.n;
    }
    *n_done = i;
    if (!from) {
        *out = text;
        *n_out = i;
        return 0;
    }
    if (append(r, &used, text + from, i - from, e))
        return -1;
    *out = r->out;
    *n_out = used;
    return 0;
}

int jsonrepair_next(struct jsonrepair *r, const char *data, size_t n, bool last, const char **out,
                    size_t *n_out, struct err *e)
{
    size_t n_done;
    if (r->n_carry) {
        if (array_reserve(&r->joined, &r->joined_capacity, r->n_carry + n, 1))
            return err_memory(e, "out of memory for %zu bytes of JSON", n);
        memcpy(r->joined, r->carry, r->n_carry);
        if (n)
            memcpy(r->joined + r->n_carry, data, n);
        data = r->joined;
        n += r->n_carry;
    }
    if (repair(r, data, n, last, &n_done, out, n_out, e))
        return -1;
    r->n_carry = n - n_done;
    memcpy(r->carry, data + n_done, r->n_carry);
    return 0;
}

void jsonrepair_release(struct jsonrepair *r)
{
    free(r->joined);
    free(r->out);
    *r = (struct jsonrepair){0};
}
