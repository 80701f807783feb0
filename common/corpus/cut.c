#include "corpus/cut.h"

#include <string.h>

#include "corpus/reader.h"

enum { MARK_BYTES = sizeof CORPUS_MARK - 1 };

enum cut_kind cut_kind_of(const char *separator, bool words)
{
    if (!separator)
        return CUT_NONE;
    if (!strcmp(separator, "line"))
        return words ? CUT_LINE : CUT_NONE;
    if (!strcmp(separator, "blank-line"))
        return words ? CUT_BLANK_LINE : CUT_NONE;
    return CUT_TEXT;
}

static size_t find(const char *text, size_t n, size_t from, const char *what, size_t n_what)
{
    const char *p = from < n ? memmem(text + from, n - from, what, n_what) : NULL;
    return p ? (size_t)(p - text) : n;
}

/* Where text[at..n) is a beginning of `what` and not all of it, n if nowhere after `from`. */
static size_t find_open(const char *text, size_t n, size_t from, const char *what, size_t n_what)
{
    size_t at = n - from >= n_what ? n - n_what + 1 : from;
    while (at < n && memcmp(text + at, what, n - at) != 0)
        at++;
    return at;
}

/* Where the first line end from `from` on begins, as normalising has it; n if there is none. */
static size_t find_line_end(const char *text, size_t n, size_t from)
{
    const char *p = from < n ? reader_line_end(text + from, n - from) : NULL;
    return p ? (size_t)(p - text) : n;
}

/* Where the line end at `at` ends. */
static size_t pass_line_end(const char *text, size_t n, size_t at)
{
    return at + 1 + (text[at] == '\r' && at + 1 < n && text[at + 1] == '\n');
}

/* A blank line: from the end of the line before it to the start of the next one with text. */
static void find_blank_line(struct cut *c, size_t from)
{
    c->separator_at = c->n;
    for (size_t at = from; (at = find_line_end(c->text, c->n, at)) < c->n;) {
        size_t first = pass_line_end(c->text, c->n, at), end = first, last = first;
        while (end < c->n && c->text[end] && strchr(" \t\r\n", c->text[end])) {
            bool blank = c->text[end] == ' ' || c->text[end] == '\t';
            end = blank ? end + 1 : pass_line_end(c->text, c->n, end);
            last = blank ? last : end;
        }
        if (last > first) {
            c->separator_at = at;
            c->separator_end = last;
            return;
        }
        at = end;
    }
}

static void find_separator(struct cut *c, size_t from)
{
    c->separator_at = c->n;
    if (c->kind == CUT_BLANK_LINE)
        find_blank_line(c, from);
    else if (c->kind == CUT_LINE) {
        c->separator_at = find_line_end(c->text, c->n, from);
        c->separator_end = c->separator_at + 1; /* what is left of it is an empty line */
    } else if (c->kind == CUT_TEXT) {
        c->separator_at = find(c->text, c->n, from, c->separator, c->n_separator);
        c->separator_end = c->separator_at + c->n_separator;
    }
}

void cut_begin(struct cut *c, const char *text, size_t n, size_t from, bool last)
{
    c->text = text;
    c->n = n;
    c->from = from;
    c->mark_at = find(text, n, from, CORPUS_MARK, MARK_BYTES);
    find_separator(c, from);
    c->open_mark = c->open_separator = n;
    if (last || c->kind != CUT_TEXT) /* the mark has no line end in it */
        return;
    c->open_mark = find_open(text, n, from, CORPUS_MARK, MARK_BYTES);
    c->open_separator = find_open(text, n, from, c->separator, c->n_separator);
}

/* The first place that may belong to an end that is not complete yet. */
static size_t look_again(const struct cut *c)
{
    size_t most = MARK_BYTES - 1;
    if (c->kind == CUT_TEXT)
        most = MAX(most, c->n_separator - 1);
    size_t at = c->n - c->from > most ? c->n - most : c->from;
    if (c->kind != CUT_BLANK_LINE)
        return at;
    /* white space up to the end may hold the first line end of a blank line */
    size_t i = c->n;
    while (i > c->from && c->text[i - 1] && strchr(" \t\r\n", c->text[i - 1]))
        i--;
    return MIN(at, i);
}

bool cut_next(struct cut *c, size_t *at, size_t *next, size_t *again)
{
    bool mark = c->mark_at <= c->separator_at;
    bool open = mark ? c->open_separator < c->mark_at : c->open_mark <= c->separator_at;
    *at = mark ? c->mark_at : c->separator_at;
    if (*at == c->n || open) {
        *again = MIN(look_again(c), *at);
        return false;
    }
    *next = mark ? *at + MARK_BYTES : c->separator_end;
    c->from = *next;
    if (c->mark_at < *next && c->mark_at < c->n)
        c->mark_at = find(c->text, c->n, *next, CORPUS_MARK, MARK_BYTES);
    if (c->separator_at < *next && c->separator_at < c->n)
        find_separator(c, *next);
    return true;
}
