#include "corpus/reader.h"

#include <ctype.h>
#include <inttypes.h>
#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_BYTES = 200 };

/* A table with a header: CSV (RFC 4180) or the same with tabs. One column has the stories. */
struct table {
    struct emit *out;
    struct csv_parser parser;
    size_t column;           /* of the stories; n_columns until the header has named it */
    size_t n_columns;        /* of the header */
    size_t at;               /* column of the next cell */
    uint64_t n_rows;         /* whole ones, the header included */
    bool told;               /* this row has its story */
    bool at_cr;              /* what was read last is a carriage return that has ended a row */
    uint64_t n_lf, n_cr;     /* rows that end with a line feed, and with a carriage return alone */
    char names[NAMES_BYTES]; /* of the columns, in quotes */
    struct err *err;         /* where a callback leaves its failure */
    bool failed;
};

/* ---- probe ----------------------------------------------------------------------------------- */

struct shape { /* of the first rows */
    const char *field;
    size_t n_cells[2], row, at;
    bool words; /* all cells of the header are words */
    bool named; /* one of them is the field */
    bool known; /* one of them is a usual name for text */
};

static bool is_word(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !(text[i] && strchr("_.:#-", text[i])))
            return false;
    return true;
}

static bool is_name(const char *text, size_t n, const char *name)
{
    return strlen(name) == n && !memcmp(text, name, n);
}

static void see_cell(void *text, size_t n, void *context)
{
    static const char *const usual[] = {"story", "text", "content", "document", "body"};
    struct shape *s = context;
    if (s->row < 2)
        s->n_cells[s->row]++;
    if (s->row > 0)
        return;
    s->words = s->words && is_word(text, n);
    s->named = s->named || is_name(text, n, s->field);
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        s->known = s->known || is_name(text, n, usual[i]);
}

static void see_row(int end, void *context)
{
    struct shape *s = context;
    (void)end;
    s->row++;
}

/* Whether no space stands beside a delimiter: prose has one after a comma. */
static bool is_tight(const char *line, const char *end, char delimiter)
{
    for (const char *p = line; p < end; p++)
        if (*p == delimiter && ((p > line && p[-1] == ' ') || p[1] == ' '))
            return false;
    return true;
}

/* Several columns: one is the field, or all have words for names and the second row as many cells.
 * A single column must have a usual name, and its first cell be quoted: else it would be any text
 * whose first line is one word. A second row that ends after these bytes, within quotes, may have
 * all cells. */
static bool probe_table(const char *head, size_t n, const struct corpus_options *o, char delimiter)
{
    struct csv_parser parser;
    struct shape s = {.field = o->field ? o->field : "story", .words = true};
    const char *end = reader_line_end(head, n);
    if (!end || csv_init(&parser, CSV_STRICT))
        return false;
    csv_set_delim(&parser, (unsigned char)delimiter);
    bool sound = csv_parse(&parser, head, n, see_cell, see_row, &s) == n;
    if (sound && n < READER_HEAD) /* the last row may lack its line end */
        csv_fini(&parser, see_cell, see_row, &s);
    bool cut = sound && s.row == 1 && parser.quoted && s.n_cells[1] < s.n_cells[0];
    csv_free(&parser);
    bool even = cut || (s.row > 1 && s.n_cells[0] == s.n_cells[1]);
    if (s.row < 1 || !is_tight(head, end, delimiter))
        return false;
    if (s.n_cells[0] > 1)
        return s.named || (s.words && even);
    while (end < head + n && (*end == '\r' || *end == '\n'))
        end++;
    return even && (s.named || s.known) && end < head + n && *end == '"';
}

static bool probe_csv(const char *head, size_t n, const struct corpus_options *o)
{
    return probe_table(head, n, o, ',');
}

static bool probe_tsv(const char *head, size_t n, const struct corpus_options *o)
{
    return probe_table(head, n, o, '\t');
}

/* ---- reading --------------------------------------------------------------------------------- */

static void add_name(struct table *t, const char *text, size_t n)
{
    size_t used = strlen(t->names);
    if (used + n + 12 < NAMES_BYTES)
        snprintf(t->names + used, NAMES_BYTES - used, "%s\"%.*s\"", used ? ", " : "", (int)n, text);
    else if (used + 6 < NAMES_BYTES && !strstr(t->names, ", ..."))
        strcpy(t->names + used, ", ...");
}

static void fail(struct table *t, int rc)
{
    t->failed = t->failed || rc;
}

static void on_cell(void *text, size_t n, void *context)
{
    struct table *t = context;
    size_t at = t->at++;
    if (t->failed)
        return;
    if (t->n_rows == 0) {
        add_name(t, text, n);
        t->n_columns++;
        if (is_name(text, n, t->out->field))
            t->column = at;
    } else if (at == t->column) {
        t->told = true;
        fail(t, emit_string(t->out, text ? text : "", n, t->err));
    }
}

static int end_header(struct table *t)
{
    if (t->column < t->n_columns)
        return 0;
    return err_set(t->err,
                   "%s: the table has no column \"%s\" (found %s): name another with --field, "
                   "or read it as text with --format text",
                   t->out->name, t->out->field, t->names);
}

static int end_row(struct table *t)
{
    char where[48];
    bool wide = t->at > t->n_columns;
    if (!wide && (t->told || emit_skips(t->out)))
        return 0;
    snprintf(where, sizeof where, "row %" PRIu64 " of the table", t->n_rows + 1);
    if (!wide)
        return emit_missing(t->out, where, t->names, t->err);
    return err_set(
        t->err, "%s: %s has %zu cells, expected %zu (a cell with a delimiter in it must be quoted)",
        t->out->name, where, t->at, t->n_columns);
}

/* Rows end alike, but for CR LF among LF: a carriage return that ends one of them alone stands in a
 * cell that its writer, such as Python's, has not quoted for it. */
static int check_ends(const struct table *t)
{
    if (!t->n_lf || !t->n_cr)
        return 0;
    return err_set(t->err,
                   "%s: row %" PRIu64 " of the table ends in another way than those before it: a "
                   "carriage return alone, and a line feed (a cell with one in it must be quoted)",
                   t->out->name, t->n_rows + 1);
}

static void finish_row(struct table *t)
{
    if (!t->failed)
        fail(t, check_ends(t));
    if (!t->failed)
        fail(t, t->n_rows ? end_row(t) : end_header(t));
    t->n_rows++;
    t->at = 0;
    t->told = false;
}

/* Of a row that ends with a carriage return the next byte tells more (parse). */
static void on_row(int end, void *context)
{
    struct table *t = context;
    t->at_cr = end == '\r';
    t->n_lf += end == '\n';
    if (!t->at_cr)
        finish_row(t);
}

static int wrong(struct table *t, struct err *e)
{
    int code = csv_error(&t->parser);
    if (t->failed)
        return -1;
    return err_set(e, "%s: wrong table in row %" PRIu64 ": %s (--format text reads it as text)",
                   t->out->name, t->n_rows + 1,
                   code == CSV_EPARSE
                       ? "a quote within a cell that is not doubled, or that does not "
                         "end"
                       : csv_strerror(code));
}

/* csv_parse, up to one carriage return at a time. */
static int parse(struct table *t, const char *data, size_t n, struct err *e)
{
    for (size_t at = 0, length; at < n; at += length) {
        const char *cr = memchr(data + at, '\r', n - at);
        length = cr ? (size_t)(cr + 1 - data) - at : n - at;
        if (t->at_cr) {
            t->n_lf += data[at] == '\n';
            t->n_cr += data[at] != '\n';
            finish_row(t);
            t->at_cr = false;
        }
        if (t->failed || csv_parse(&t->parser, data + at, length, on_cell, on_row, t) != length ||
            t->failed)
            return wrong(t, e);
    }
    return 0;
}

static int end(struct table *t, struct err *e)
{
    if (t->at_cr)
        finish_row(t);
    return t->failed || csv_fini(&t->parser, on_cell, on_row, t) || t->failed ? wrong(t, e) : 0;
}

static int read_all(struct table *t, struct source *in, struct err *e)
{
    for (size_t n = 1; n;) {
        const char *data;
        if (source_next(in, &data, &n, e) || parse(t, data, n, e))
            return -1;
        if (t->parser.entry_pos > t->out->limit)
            return err_set(e, "%s: a cell in row %" PRIu64 " is longer than %zu bytes",
                           t->out->name, t->n_rows + 1, t->out->limit);
    }
    return end(t, e);
}

static int read_table(struct source *in, struct emit *out, char delimiter, struct err *e)
{
    struct table t = {.out = out, .column = SIZE_MAX, .err = e};
    if (csv_init(&t.parser, CSV_STRICT | CSV_STRICT_FINI))
        return err_memory(e, "%s: out of memory", out->name);
    csv_set_delim(&t.parser, (unsigned char)delimiter);
    csv_set_blk_size(&t.parser, 1 << 16);
    int rc = read_all(&t, in, e);
    csv_free(&t.parser);
    return rc;
}

static int read_csv(struct source *in, struct emit *out, struct err *e)
{
    return read_table(in, out, ',', e);
}

static int read_tsv(struct source *in, struct emit *out, struct err *e)
{
    return read_table(in, out, '\t', e);
}

const struct reader reader_csv = {probe_csv, read_csv};
const struct reader reader_tsv = {probe_tsv, read_tsv};
