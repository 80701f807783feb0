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

/* Whether the code point is no part of a composition, nor anything else but itself in NFC: those
 * below the first combining mark, and dashes and quotation marks. */
static bool is_inert(int32_t code)
{
    return (code >= 0 && code < 0x300) || (code >= 0x2010 && code < 0x2028);
}

/* What stands among the characters that are not ASCII. */
struct found {
    bool mark;   /* U+FEFF */
    bool active; /* NFC might change it */
};

/* Appends the characters from s up to the next ASCII one (all of them not ASCII) or n, with U+FFFD
 * for whatever is not valid; returns their number of bytes through *used, and notes what they are.
 */
static int append_repaired(struct text_buf *b, const char *s, size_t n, size_t *used,
                           struct found *found, struct normalize_stats *stats, struct err *e)
{
    size_t i = 0;
    while (i < n && (unsigned char)s[i] >= 0x80) {
        int32_t code;
        size_t length = utf8_decode(s + i, n - i, &code);
        bool valid = code >= 0;
        found->mark = found->mark || code == BYTE_ORDER_MARK;
        found->active = found->active || (valid && !is_inert(code));
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

/* Text without the white space at both ends, and without byte-order marks in that at the start if
 * `marks`. */
static void trim(const char **text, size_t *n, bool marks)
{
    const char *s = *text;
    size_t start = 0, end = *n, length;
    if (!end) /* then s may be NULL */
        return;
    for (; start < end; start += length)
        if (unicode_class_at(s + start, end - start, &length) != UNICODE_SPACE &&
            !(marks && is_mark(s + start, end - start)))
            break;
    while (end > start) {
        size_t last = end - 1;
        while (last > start && ((unsigned char)s[last] & 0xc0) == 0x80)
            last--;
        if (unicode_class_at(s + last, end - last, &length) != UNICODE_SPACE)
            break;
        end = last;
    }
    *text = s + start;
    *n = end - start;
}

/* Steps 1 to 3. ASCII characters are starters that never combine with what stands before them, so
 * text may be composed in pieces that each begin with one. Only the pieces with other characters
 * need it. */
static int rewrite(struct unicode_scratch *w, struct vocab_form form, const char *in, size_t n,
                   struct text_buf *out, bool *marked, struct normalize_stats *stats, struct err *e)
{
    out->n = 0;
    *marked = false;
    for (size_t i = 0; i < n;) {
        struct found found = {.active = form.normalize == VOCAB_NORM_NFKC};
        size_t run = ascii_run(in + i, n - i);
        if (append(out, in + i, run, e))
            return -1;
        i += run;
        if (i == n)
            break;
        size_t from = out->n - (run > 0);
        size_t used;
        if (append_repaired(out, in + i, n - i, &used, &found, stats, e))
            return -1;
        i += used;
        *marked = *marked || found.mark;
        if (form.normalize != VOCAB_NORM_NONE && found.active &&
            compose_tail(w, out, from, form.normalize == VOCAB_NORM_NFKC, e))
            return -1;
    }
    if (form.lines == VOCAB_LINES_LF && out->n && (*marked || memchr(out->data, '\r', out->n)))
        unify_lines(out);
    return 0;
}

/* Whether steps 1 to 3 change nothing, since all is ASCII. */
static bool is_plain(struct vocab_form form, const char *in, size_t n)
{
    return ascii_run(in, n) == n && !(form.lines == VOCAB_LINES_LF && n && memchr(in, '\r', n));
}

int normalize_view(struct unicode_scratch *w, struct vocab_form form, const char *in, size_t n,
                   struct text_buf *room, struct normalize_view *out, struct normalize_stats *stats,
                   struct err *e)
{
    bool plain = is_plain(form, in, n), marked = false;
    *out = (struct normalize_view){.text = in, .n = n, .in_place = plain};
    if (!plain) {
        if (rewrite(w, form, in, n, room, &marked, stats, e))
            return -1;
        out->text = room->data;
        out->n = room->n;
    }
    trim(&out->text, &out->n, form.lines == VOCAB_LINES_LF && marked);
    out->n_chars = plain ? out->n : normalize_count_chars(out->text, out->n);
    return 0;
}

int normalize_text_in(struct unicode_scratch *w, struct vocab_form form, const char *in, size_t n,
                      struct text_buf *out, size_t *n_chars, struct normalize_stats *stats,
                      struct err *e)
{
    struct normalize_view v;
    if (normalize_view(w, form, in, n, out, &v, stats, e) ||
        array_reserve(&out->data, &out->capacity, v.n, 1))
        return err_memory(e, "out of memory for a text of %zu bytes", n);
    if (v.n)
        memmove(out->data, v.text, v.n);
    out->n = v.n;
    *n_chars = v.n_chars;
    return 0;
}

int normalize_text(struct vocab_form form, const char *in, size_t n, struct text_buf *out,
                   size_t *n_chars, struct normalize_stats *stats, struct err *e)
{
    struct unicode_scratch w = {0};
    int rc = normalize_text_in(&w, form, in, n, out, n_chars, stats, e);
    unicode_scratch_release(&w);
    return rc;
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
