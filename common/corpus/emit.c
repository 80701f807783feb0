#include "corpus/emit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

enum {
    JUDGED_BYTES = 1 << 20,
    MOST_INVALID = 100 /* one in so many characters */
};

void emit_begin(struct emit *m, const char *file, const struct corpus_options *o,
                const struct corpus_hooks *hooks, struct corpus_counts *counts)
{
    *m = (struct emit){.options = o,
                       .hooks = hooks,
                       .counts = counts,
                       .file = file,
                       .name = file,
                       .field = o->field ? o->field : "story",
                       .limit = o->max_story_bytes ? o->max_story_bytes : (size_t)64 << 20,
                       .text_cuts = cut_kind_of(o->separator, true),
                       .string_cuts = cut_kind_of(o->separator, false)};
}

void emit_begin_member(struct emit *m, const char *name)
{
    m->name = name;
    m->of_member = (struct emit_tally){0};
}

void emit_warn(const struct emit *m, const char *format, ...)
{
    struct err sentence;
    char *text;
    va_list args;
    if (!m->hooks->warning)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0) {
        err_set(&sentence, "%s", text);
        free(text);
        m->hooks->warning(m->hooks->context, sentence.text);
    }
    va_end(args);
}

bool emit_is_blank(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && text[i] && strchr(" \t\r\n\f\v", text[i]))
        i++;
    return i == n;
}

/* ---- invalid characters ---------------------------------------------------------------------- */

static void count_chars(const char *text, size_t n, struct emit_tally *t)
{
    t->n_bytes += n;
    for (size_t i = 0; i < n;) {
        size_t run = ascii_run(text + i, n - i);
        t->n_chars += run;
        i += run;
        while (i < n && (unsigned char)text[i] >= 0x80) {
            int32_t code;
            size_t length = utf8_decode(text + i, n - i, &code);
            t->n_chars++;
            t->n_invalid += code < 0;
            i += length;
        }
    }
}

static void add_tally(struct emit_tally *to, const struct emit_tally *t)
{
    to->n_bytes += t->n_bytes;
    to->n_chars += t->n_chars;
    to->n_invalid += t->n_invalid;
}

/* More than one invalid character in a hundred means another encoding. */
static int judge(const struct emit *m, struct emit_tally *t, const char *name, struct err *e)
{
    t->judged = true;
    if (m->options->invalid == CORPUS_REPLACE || t->n_invalid * MOST_INVALID <= t->n_chars)
        return 0;
    double percent = 100 * (double)t->n_invalid / (double)t->n_chars;
    const char *encoding = m->options->encoding;
    if (encoding)
        return err_set(e,
                       "%s: %.1f %% of its characters are invalid as %s: name another --encoding, "
                       "or have them replaced with --invalid replace",
                       name, percent, encoding);
    return err_set(e,
                   "%s: %.1f %% of its characters are invalid as UTF-8: name its encoding with "
                   "--encoding NAME (such as windows-1252, KOI8-R, GB18030), or have them "
                   "replaced with --invalid replace",
                   name, percent);
}

static int judge_first(struct emit *m, struct err *e)
{
    if (!m->of_member.judged && m->of_member.n_bytes >= JUDGED_BYTES &&
        judge(m, &m->of_member, m->name, e))
        return -1;
    if (!m->of_file.judged && m->of_file.n_bytes >= JUDGED_BYTES)
        return judge(m, &m->of_file, m->file, e);
    return 0;
}

/* ---- markers --------------------------------------------------------------------------------- */

static bool is_marker(const char *text, size_t n)
{
    char open = text[0], close = open == '<' ? '>' : ']';
    if (n < 3 || n >= EMIT_MARKER_BYTES || (open != '<' && open != '[') || text[n - 1] != close)
        return false;
    for (size_t i = 1; i < n - 1; i++)
        if (!isalnum((unsigned char)text[i]) && !(text[i] && strchr("|_/-", text[i])))
            return false;
    return true;
}

static void count_marker(struct emit_markers *list, const char *text, size_t n)
{
    size_t i = 0;
    while (i < list->n && (strncmp(list->items[i].text, text, n) || list->items[i].text[n]))
        i++;
    if (i == EMIT_MARKERS)
        return; /* one that most stories have is among the first */
    if (i == list->n) {
        memcpy(list->items[i].text, text, n);
        list->n++;
    }
    list->items[i].n_stories++;
}

static void count_markers(struct emit *m, const char *text, size_t n)
{
    while (n && isspace((unsigned char)text[0])) {
        text++;
        n--;
    }
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    if (!n)
        return;
    m->n_stories++;
    size_t most = MIN(n, (size_t)EMIT_MARKER_BYTES - 1);
    if (text[0] == '<' || text[0] == '[') {
        const char *end = memchr(text, text[0] == '<' ? '>' : ']', most);
        if (end && is_marker(text, (size_t)(end + 1 - text)))
            count_marker(&m->begins, text, (size_t)(end + 1 - text));
    }
    if (text[n - 1] == '>' || text[n - 1] == ']') {
        const char *last = text + n - most;
        const char *begin = memrchr(last, text[n - 1] == '>' ? '<' : '[', most);
        if (begin && is_marker(begin, (size_t)(text + n - begin)))
            count_marker(&m->ends, begin, (size_t)(text + n - begin));
    }
}

static void warn_markers(const struct emit *m, const struct emit_markers *list, const char *verb)
{
    for (size_t i = 0; i < list->n; i++)
        if (2 * list->items[i].n_stories > m->n_stories)
            emit_warn(m,
                      "%s: %" PRIu64 " of %" PRIu64 " stories %s with \"%s\", which is learned as "
                      "text (--separator '%s' ends stories there)",
                      m->file, list->items[i].n_stories, m->n_stories, verb, list->items[i].text,
                      list->items[i].text);
}

/* ---- stories --------------------------------------------------------------------------------- */

int emit_story(struct emit *m, const char *text, size_t n, struct err *e)
{
    struct emit_tally t = {0};
    if (n > m->limit)
        return err_set(e,
                       "%s: a story is longer than %zu bytes (is its end not marked? --separator "
                       "TEXT names another mark)",
                       m->name, m->limit);
    count_chars(text, n, &t);
    add_tally(&m->of_file, &t);
    add_tally(&m->of_member, &t);
    if (judge_first(m, e))
        return -1;
    count_markers(m, text, n);
    return m->hooks->story(m->hooks->context, text, n, e);
}

int emit_string(struct emit *m, const char *text, size_t n, struct err *e)
{
    struct cut c = {.kind = m->string_cuts, .separator = m->options->separator};
    size_t begin = 0, at, next, again;
    c.n_separator = c.separator ? strlen(c.separator) : 0;
    cut_begin(&c, text, n, 0, true);
    for (; cut_next(&c, &at, &next, &again); begin = next)
        if (emit_story(m, text + begin, at - begin, e))
            return -1;
    return begin && emit_is_blank(text + begin, n - begin)
               ? 0
               : emit_story(m, text + begin, n - begin, e);
}

bool emit_skips(struct emit *m)
{
    m->counts->n_missing += m->options->skip_missing;
    return m->options->skip_missing;
}

int emit_missing(const struct emit *m, const char *where, const char *found, struct err *e)
{
    return err_set(e,
                   "%s: %s has no field \"%s\" (found %s): name another with --field, or pass such "
                   "records over with --skip-missing",
                   m->name, where, m->field, found);
}

int emit_end(struct emit *m, struct err *e)
{
    char more[64] = "";
    if (judge(m, &m->of_file, m->file, e))
        return -1;
    if (m->of_file.n_invalid)
        emit_warn(m, "%s: %" PRIu64 " invalid %s replaced by U+FFFD", m->file, m->of_file.n_invalid,
                  m->of_file.n_invalid == 1 ? "character was" : "characters were");
    warn_markers(m, &m->begins, "begin");
    warn_markers(m, &m->ends, "end");
    if (m->n_uncut > 1)
        snprintf(more, sizeof more, " (nor do %" PRIu64 " members more)", m->n_uncut - 1);
    if (m->n_uncut)
        emit_warn(m,
                  "%s: %.1f kB of text without %s in it%s: read as one story (--separator line or "
                  "--separator blank-line cuts it)",
                  m->file, (double)m->uncut_bytes / 1e3, CORPUS_MARK, more);
    return 0;
}
