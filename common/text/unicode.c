#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/array.h"
#include "base/utf8.h"

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
    *length = utf8_decode(s, n, &code);
    return unicode_class(code);
}

/* Code points under way to composed form: w->codes[0..n). */
struct codes {
    struct unicode_scratch *w;
    size_t n;
};

/* Appends the full decomposition of one code point, leaving room for one more (utf8proc_reencode
 * wants it). */
static int append_decomposed(struct codes *c, int32_t code, utf8proc_option_t options)
{
    struct unicode_scratch *w = c->w;
    for (;;) {
        int boundary = 0;
        size_t room = w->capacity - c->n;
        utf8proc_ssize_t n = utf8proc_decompose_char(code, w->codes + c->n, (utf8proc_ssize_t)room,
                                                     options, &boundary);
        if (n < 0)
            return -1;
        if ((size_t)n < room) {
            c->n += (size_t)n;
            return 0;
        }
        if (array_reserve(&w->codes, &w->capacity, c->n + (size_t)n + 1, sizeof *w->codes))
            return -1;
    }
}

static unsigned combining_class(utf8proc_int32_t code)
{
    return (unsigned)utf8proc_get_property(code)->combining_class & 0xff;
}

/* Puts n marks in the order of their classes, those of one class staying as they are. utf8proc
 * would do it too, but in quadratic time, which a file of nothing but marks turns into hours. */
static int order_marks(struct unicode_scratch *w, utf8proc_int32_t *marks, size_t n)
{
    size_t starts[257] = {0};
    if (array_reserve(&w->marks, &w->marks_capacity, n, sizeof *w->marks))
        return -1;
    memcpy(w->marks, marks, n * sizeof *marks);
    for (size_t i = 0; i < n; i++)
        starts[combining_class(marks[i]) + 1]++;
    for (size_t k = 1; k < 257; k++)
        starts[k] += starts[k - 1];
    for (size_t i = 0; i < n; i++)
        marks[starts[combining_class(w->marks[i])]++] = w->marks[i];
    return 0;
}

/* Canonical ordering (Unicode 15, D109) of every run of marks that needs it. */
static int order_all(struct codes *c)
{
    utf8proc_int32_t *codes = c->w->codes;
    for (size_t i = 0; i < c->n;) {
        size_t start = i;
        unsigned highest = 0;
        bool ordered = true;
        for (unsigned class; i < c->n && (class = combining_class(codes[i])); i++) {
            ordered = ordered && class >= highest;
            highest = class;
        }
        if (!ordered && order_marks(c->w, codes + start, i - start))
            return -1;
        i += i == start;
    }
    return 0;
}

void unicode_scratch_release(struct unicode_scratch *w)
{
    free(w->codes);
    free(w->marks);
    *w = (struct unicode_scratch){0};
}

/* A code point decomposes into at most 3 from 2 bytes (U+01D5), compatibly into 18 from 3 (U+FDFA);
 * and an invalid byte has become 3 bytes. */
int unicode_reserve(struct unicode_scratch *w, bool compat, size_t n, struct err *e)
{
    size_t wanted;
    if (!size_mul(n, compat ? 6 : 3, &wanted) || !size_add(wanted, 1, &wanted) ||
        array_reserve(&w->codes, &w->capacity, wanted, sizeof *w->codes) ||
        array_reserve(&w->marks, &w->marks_capacity, wanted, sizeof *w->marks))
        return err_memory(e, "out of memory for normalising texts of %zu bytes", n);
    return 0;
}

int unicode_compose(bool compat, const char *s, size_t n, struct unicode_scratch *w,
                    const char **out, size_t *n_out, struct err *e)
{
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (compat)
        options |= UTF8PROC_COMPAT;
    struct codes c = {.w = w};
    bool failed = array_reserve(&w->codes, &w->capacity, n + 1, sizeof *w->codes) != 0;
    for (size_t i = 0; i < n && !failed;) {
        int32_t code;
        i += utf8_decode(s + i, n - i, &code);
        failed = append_decomposed(&c, code, options) != 0;
    }
    utf8proc_ssize_t got = -1;
    if (!failed && !order_all(&c))
        got = utf8proc_reencode(w->codes, (utf8proc_ssize_t)c.n, options);
    if (got < 0)
        return err_memory(e, "cannot normalise a text of %zu bytes: out of memory", n);
    *out = (const char *)w->codes;
    *n_out = (size_t)got;
    return 0;
}
