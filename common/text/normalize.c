#include "text/normalize.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum { BYTE_ORDER_MARK = 0xfeff, BYTE_ORDER_MARK_BYTES = 3 };

static int append(struct text_buf *b, const char *data, size_t n, struct err *e)
{
    if (array_reserve(&b->data, &b->capacity, b->n + n, 1))
        return err_memory(e, "out of memory for a text of %zu bytes", b->n + n);
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return 0;
}

/* Appends the characters from s up to the next ASCII one (all of them not ASCII) or n, with U+FFFD
 * for whatever is not valid; returns their number of bytes through *used, and notes in *marked that
 * one is U+FEFF. */
static int append_repaired(struct text_buf *b, const char *s, size_t n, size_t *used, bool *marked,
                           struct normalize_stats *stats, struct err *e)
{
    size_t i = 0;
    while (i < n && (unsigned char)s[i] >= 0x80) {
        int32_t code;
        size_t length = utf8_decode(s + i, n - i, &code);
        bool valid = code >= 0;
        *marked = *marked || code == BYTE_ORDER_MARK;
        stats->n_invalid += !valid;
        if (append(b, valid ? s + i : UTF8_REPLACEMENT, valid ? length : 3, e))
            return -1;
        i += length;
    }
    *used = i;
    return 0;
}

/* Puts b->data[from..n) into composed form. */
static int compose_tail(struct unicode_scratch *w, struct text_buf *b, size_t from, bool compat,
                        struct err *e)
{
    const char *composed;
    size_t n;
    if (unicode_compose(compat, b->data + from, b->n - from, w, &composed, &n, e))
        return -1;
    b->n = from;
    return append(b, composed, n, e);
}

static bool is_mark(const char *s, size_t n)
{
    return n >= BYTE_ORDER_MARK_BYTES && memcmp(s, "\xef\xbb\xbf", BYTE_ORDER_MARK_BYTES) == 0;
}

/* Makes every line end one LF, and drops the marks that begin a line. Neither takes part in
 * composition, so it may be done after it, where what few texts need costs the others nothing. */
static void unify_lines(struct text_buf *b)
{
    char *s = b->data;
    size_t n = 0;
    for (size_t i = 0; i < b->n;) {
        if ((n == 0 || s[n - 1] == '\n') && is_mark(s + i, b->n - i)) {
            i += BYTE_ORDER_MARK_BYTES;
            continue;
        }
        bool cr = s[i] == '\r';
        i += cr && i + 1 < b->n && s[i + 1] == '\n';
        s[n++] = cr ? '\n' : s[i];
        i++;
    }
    b->n = n;
}

static void trim(struct text_buf *b, bool marks)
{
    size_t start = 0;
    for (size_t length; start < b->n; start += length) {
        const char *at = b->data + start;
        if (unicode_class_at(at, b->n - start, &length) != UNICODE_SPACE &&
            !(marks && is_mark(at, b->n - start)))
            break;
    }
    size_t length;
    while (b->n > start) {
        size_t last = b->n - 1;
        while (last > start && ((unsigned char)b->data[last] & 0xc0) == 0x80)
            last--;
        if (unicode_class_at(b->data + last, b->n - last, &length) != UNICODE_SPACE)
            break;
        b->n = last;
    }
    b->n -= start;
    if (start && b->n)
        memmove(b->data, b->data + start, b->n);
}

/* ASCII characters are starters that never combine with what stands before them, so text may be
 * composed in pieces that each begin with one. Only the pieces with other characters need it. */
int normalize_text_in(struct unicode_scratch *w, struct vocab_form form, const char *in, size_t n,
                      struct text_buf *out, size_t *n_chars, struct normalize_stats *stats,
                      struct err *e)
{
    bool unify = form.lines == VOCAB_LINES_LF;
    bool marked = false;
    out->n = 0;
    for (size_t i = 0; i < n;) {
        size_t run = ascii_run(in + i, n - i);
        if (append(out, in + i, run, e))
            return -1;
        i += run;
        if (i == n)
            break;
        size_t from = out->n - (run > 0);
        size_t used;
        if (append_repaired(out, in + i, n - i, &used, &marked, stats, e))
            return -1;
        i += used;
        if (form.normalize != VOCAB_NORM_NONE &&
            compose_tail(w, out, from, form.normalize == VOCAB_NORM_NFKC, e))
            return -1;
    }
    if (unify && out->n && (marked || memchr(out->data, '\r', out->n)))
        unify_lines(out);
    trim(out, unify && marked);
    *n_chars = normalize_count_chars(out->data, out->n);
    return 0;
}

int normalize_text(struct vocab_form form, const char *in, size_t n, struct text_buf *out,
                   size_t *n_chars, struct normalize_stats *stats, struct err *e)
{
    struct unicode_scratch w = {0};
    int status = normalize_text_in(&w, form, in, n, out, n_chars, stats, e);
    unicode_scratch_release(&w);
    return status;
}

/* A byte grows to 3 at most where it is invalid and in NFC, to 11 in NFKC (U+FDFA). */
int normalize_reserve(struct unicode_scratch *w, struct text_buf *out, struct vocab_form form,
                      size_t n, struct err *e)
{
    size_t wanted;
    if (!size_mul(n, form.normalize == VOCAB_NORM_NFKC ? 11 : 3, &wanted) ||
        array_reserve(&out->data, &out->capacity, wanted, 1))
        return err_memory(e, "out of memory for texts of %zu bytes", n);
    return form.normalize == VOCAB_NORM_NONE
               ? 0
               : unicode_reserve(w, form.normalize == VOCAB_NORM_NFKC, n, e);
}

size_t normalize_count_chars(const char *text, size_t n)
{
    size_t n_continued = 0;
    for (size_t i = 0; i < n; i++)
        n_continued += ((unsigned char)text[i] & 0xc0) == 0x80;
    return n - n_continued;
}
