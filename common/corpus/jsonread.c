#include "corpus/reader.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "corpus/jsonpath.h"
#include "corpus/jsonrepair.h"

enum { MOST_DEPTH = 1000 };

/* A stream of JSON values: objects, strings, and arrays of these. YAJL pushes events, so a value of
 * any size is never held as a whole, and numbers of other fields are never converted. */
struct json {
    struct emit *out;
    yajl_handle yajl;
    struct jsonrepair repair;
    struct jsonpath path;
    int depth;     /* open brackets */
    bool in_array; /* the outermost of them is an array */
    bool in_record;
    uint64_t n_values; /* records and strings so far */
    uint64_t n_lines;  /* line ends in the blocks before this one */
    const char *block; /* what YAJL has now */
    size_t n_block;
    struct err *err; /* where a callback leaves its failure */
    bool failed;
};

/* ---- YAJL's memory --------------------------------------------------------------------------- */

/* YAJL does not look whether it got any: so it is left by a jump when there is none, and what it
 * had is given back. */
union head {
    struct {
        union head *next;
        union head **at;
    } link;
    max_align_t aligned;
};

struct memory {
    union head *all;
    jmp_buf ran_out;
};

static void *hang_in(struct memory *m, union head *h)
{
    h->link.next = m->all;
    h->link.at = &m->all;
    if (m->all)
        m->all->link.at = &h->link.next;
    m->all = h;
    return h + 1;
}

static void take_out(union head *h)
{
    *h->link.at = h->link.next;
    if (h->link.next)
        h->link.next->link.at = h->link.at;
}

static void *memory_realloc(void *context, void *p, size_t n)
{
    struct memory *m = context;
    union head *h = p ? (union head *)p - 1 : NULL;
    if (h)
        take_out(h);
    union head *larger = realloc(h, sizeof *h + n);
    if (larger)
        return hang_in(m, larger);
    if (h)
        hang_in(m, h);
    longjmp(m->ran_out, 1);
}

static void *memory_alloc(void *context, size_t n)
{
    return memory_realloc(context, NULL, n);
}

static void memory_free(void *context, void *p)
{
    (void)context;
    if (p) {
        take_out((union head *)p - 1);
        free((union head *)p - 1);
    }
}

static void memory_free_all(struct memory *m)
{
    while (m->all)
        memory_free(m, m->all + 1);
}

static yajl_alloc_funcs memory_funcs(struct memory *m)
{
    return (yajl_alloc_funcs){memory_alloc, memory_realloc, memory_free, m};
}

/* ---- probe ----------------------------------------------------------------------------------- */

static size_t skip_space(const char *data, size_t n, size_t i)
{
    while (i < n && reader_is_space(data[i]))
        i++;
    return i;
}

/* How long the null in place of a story is that a text begins with; 0 without. */
static size_t null_length(const char *text, size_t n)
{
    return n >= 4 && !memcmp(text, "null", 4) ? 4 : n >= 3 && !memcmp(text, "NaN", 3) ? 3 : 0;
}

/* The length of the line that begins at i, without white space at its end; *next: where more than
 * white space follows. */
static size_t line_length(const char *head, size_t n, size_t i, size_t *next)
{
    const char *end = reader_line_end(head + i, n - i);
    size_t length = end ? (size_t)(end - head) - i : n - i;
    *next = skip_space(head, n, i + length);
    while (length && reader_is_space(head[i + length - 1]))
        length--;
    return length;
}

/* Whether a line is a null or, if it is `cut`, may become one. */
static bool is_null_line(const char *line, size_t length, bool cut)
{
    return length && (null_length(line, length) == length ||
                      (cut && (!strncmp("null", line, length) || !strncmp("NaN", line, length))));
}

/* Whether text[0..n) is one string, whole or, if it is `cut`, as far as it goes. */
static bool is_string(const char *text, size_t n, bool cut)
{
    struct memory m = {0};
    yajl_alloc_funcs funcs = memory_funcs(&m);
    if (setjmp(m.ran_out)) {
        memory_free_all(&m);
        return false;
    }
    yajl_handle h = yajl_alloc(NULL, &funcs, NULL);
    yajl_config(h, yajl_dont_validate_strings, 1);
    bool sound = n > 1 && text[0] == '"' &&
                 yajl_parse(h, (const unsigned char *)text, n) == yajl_status_ok &&
                 (cut || yajl_complete_parse(h) == yajl_status_ok);
    yajl_free(h);
    return sound;
}

/* The first line is a string, and every further one in sight begins like one, or is a null: other
 * text begins with a quote, too, but does not go on for so long without another or a line end. */
static bool are_strings(const char *head, size_t n, size_t first)
{
    size_t next;
    for (size_t i = first; i < n; i = next) {
        size_t length = line_length(head, n, i, &next);
        bool cut = next == n && n == READER_HEAD; /* else the end of the member ends the line */
        if (i == first ? !is_string(head + i, length, cut)
                       : head[i] != '"' && !is_null_line(head + i, length, cut))
            return false;
    }
    return true;
}

/* An object, or an array of what may hold stories, or what only looks so: text that begins like
 * JSON is more likely JSON that cannot be used, and --format text reads it. Lines of null may come
 * first. */
static bool probe(const char *head, size_t n, const struct corpus_options *o)
{
    (void)o;
    size_t first = skip_space(head, n, 0), next;
    while (first < n && is_null_line(head + first, line_length(head, n, first, &next), false))
        first = next;
    size_t second = skip_space(head, n, first + 1);
    if (first >= n)
        return false;
    if (head[first] == '"')
        return are_strings(head, n, first);
    if (second >= n)
        return false;
    char c = head[second];
    if (head[first] == '{')
        return c == '"' || c == '}' || c == '\'';
    return head[first] == '[' &&
           (c == '{' || c == ']' || c == '"' || c == '[' || null_length(head + second, n - second));
}

/* ---- failures -------------------------------------------------------------------------------- */

static uint64_t count_lines(const char *text, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; count++, i++) {
        const char *p = memchr(text + i, '\n', n - i);
        if (!p)
            break;
        i = (size_t)(p - text);
    }
    return count;
}

/* "record 3 (line 7)", as far as YAJL has come. */
static const char *where(const struct json *j, char text[64])
{
    size_t n = MIN(yajl_get_bytes_consumed(j->yajl), j->n_block);
    uint64_t line = 1 + j->n_lines + count_lines(j->block, n);
    snprintf(text, 64, "record %" PRIu64 " (line %" PRIu64 ")", j->n_values, line);
    return text;
}

/* Ends the parsing: returns what a callback returns for that. */
static int stop(struct json *j, int rc)
{
    j->failed = j->failed || rc;
    return rc == 0;
}

/* A value that cannot be a story. */
static int refuse(struct json *j, enum jsonpath_role role, const char *found)
{
    char place[64];
    const char *name = j->out->name, *field = j->out->field;
    if (role == JSONPATH_FIELD)
        return stop(j, err_set(j->err,
                               "%s: %s: field \"%s\" is not a string (found %s): name another "
                               "with --field",
                               name, where(j, place), field, found));
    return stop(j, err_set(j->err,
                           "%s: %s is not usable JSON (found %s; expected objects with a "
                           "field \"%s\", or strings): --format text reads it as text",
                           name, where(j, place), found, field));
}

static int missing(struct json *j)
{
    char place[64];
    const char *names = j->path.n_names ? j->path.names : "none";
    if (emit_skips(j->out))
        return 0;
    return emit_missing(j->out, where(j, place), names, j->err);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Whether the next value is one of those that a member consists of. */
static bool is_top(const struct json *j)
{
    return j->depth == 0 || (j->depth == 1 && j->in_array && !j->in_record);
}

/* A value that is not a string: null counts as an empty story, any other is refused. */
static int on_scalar(struct json *j, bool null, const char *found)
{
    if (is_top(j)) {
        j->n_values++;
        return null ? stop(j, emit_story(j->out, "", 0, j->err)) : refuse(j, JSONPATH_OTHER, found);
    }
    if (!j->in_record)
        return 1;
    enum jsonpath_role role = jsonpath_value(&j->path);
    if (role != JSONPATH_FIELD)
        return 1;
    if (!null)
        return refuse(j, role, found);
    jsonpath_found(&j->path);
    return stop(j, emit_story(j->out, "", 0, j->err));
}

static int on_null(void *context)
{
    return on_scalar(context, true, "null");
}

static int on_boolean(void *context, int value)
{
    return on_scalar(context, false, value ? "true" : "false");
}

static int on_number(void *context, const char *text, size_t n)
{
    (void)text;
    (void)n;
    return on_scalar(context, false, "a number");
}

static int on_string(void *context, const unsigned char *text, size_t n)
{
    struct json *j = context;
    char place[64];
    if (is_top(j))
        j->n_values++;
    else if (!j->in_record || jsonpath_value(&j->path) != JSONPATH_FIELD)
        return 1;
    else if (!jsonpath_found(&j->path))
        return stop(j, err_set(j->err, "%s: %s has the field \"%s\" twice", j->out->name,
                               where(j, place), j->out->field));
    return stop(j, emit_string(j->out, (const char *)text, n, j->err));
}

static int deeper(struct json *j)
{
    if (++j->depth <= MOST_DEPTH)
        return 1;
    return stop(j, err_set(j->err, "%s: wrong JSON: more than %d brackets are open", j->out->name,
                           MOST_DEPTH));
}

/* A bracket within a record. */
static int open_inner(struct json *j, bool is_array, const char *found)
{
    enum jsonpath_role role = jsonpath_value(&j->path);
    if (role == JSONPATH_FIELD)
        return refuse(j, role, found);
    jsonpath_open(&j->path, role, is_array);
    return deeper(j);
}

static int on_start_map(void *context)
{
    struct json *j = context;
    if (!is_top(j))
        return open_inner(j, false, "an object; of a pandas table, orient=\"records\" writes rows");
    j->n_values++;
    j->in_record = true;
    jsonpath_begin(&j->path, j->out->field);
    return deeper(j);
}

static int on_key(void *context, const unsigned char *key, size_t n)
{
    struct json *j = context;
    jsonpath_key(&j->path, (const char *)key, n);
    return 1;
}

static int close_inner(struct json *j)
{
    j->depth--;
    int rc = jsonpath_close(&j->path) ? missing(j) : 0;
    if (!j->path.depth)
        j->in_record = false;
    return stop(j, rc);
}

static int on_end_map(void *context)
{
    return close_inner(context);
}

static int on_start_array(void *context)
{
    struct json *j = context;
    if (j->in_record)
        return open_inner(j, true, "an array");
    if (j->depth) {
        j->n_values++;
        return refuse(j, JSONPATH_OTHER, "arrays in an array");
    }
    j->in_array = true;
    return deeper(j);
}

static int on_end_array(void *context)
{
    struct json *j = context;
    if (j->in_record)
        return close_inner(j);
    j->depth--;
    j->in_array = false;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

/* ---- reading --------------------------------------------------------------------------------- */

/* The byte that YAJL stopped at, its last one, and the one before it, white space aside. */
static void around(const struct json *j, char *before, char *at)
{
    size_t i = MIN(yajl_get_bytes_consumed(j->yajl), j->n_block);
    *at = i > 0 ? j->block[i - 1] : '\0';
    for (i = i > 0 ? i - 1 : 0; i > 0 && reader_is_space(j->block[i - 1]);)
        i--;
    *before = i > 0 ? j->block[i - 1] : '\0';
}

/* What is wrong, in YAJL's words or, where more is known, in better ones. */
static int wrong(const struct json *j, bool early, struct err *e)
{
    char place[64], before, at;
    if (early)
        return err_set(e, "%s: wrong JSON: it ends early, in %s", j->out->name, where(j, place));
    around(j, &before, &at);
    const char *known =
        at == '\'' ? "strings in single quotes, as Python prints them: json.dumps writes JSON"
        : before == ',' && (at == ']' || at == '}') ? "a comma before a bracket"
        : at == ','                                 ? "a comma between two values"
                                                    : NULL;
    unsigned char *text = known ? NULL : yajl_get_error(j->yajl, 0, NULL, 0);
    const char *fault = known ? known : text ? (const char *)text : "damaged";
    int length = (int)strcspn(fault, "\n");
    err_set(e, "%s: wrong JSON after %s: %.*s (--format text reads it as text)", j->out->name,
            where(j, place), length, fault);
    if (text)
        yajl_free_error(j->yajl, text);
    return -1;
}

static int feed(struct json *j, const char *data, size_t n, bool last, struct err *e)
{
    j->err = e;
    if (jsonrepair_next(&j->repair, data, n, last, &j->block, &j->n_block, e))
        return -1;
    if (j->repair.quoted && j->repair.n_quoted > j->out->limit)
        return err_set(e, "%s: wrong JSON: a string is longer than %zu bytes", j->out->name,
                       j->out->limit);
    yajl_status status = yajl_status_ok;
    if (j->n_block)
        status = yajl_parse(j->yajl, (const unsigned char *)j->block, j->n_block);
    bool parsed = status == yajl_status_ok;
    if (parsed && last)
        status = yajl_complete_parse(j->yajl);
    if (j->failed)
        return -1;
    if (status != yajl_status_ok)
        return wrong(j, parsed, e);
    j->n_lines += count_lines(j->block, j->n_block);
    return 0;
}

static int read_all(struct json *j, struct source *in, struct err *e)
{
    for (size_t n = 1; n;) {
        const char *data;
        if (source_next(in, &data, &n, e) || feed(j, data, n, n == 0, e))
            return -1;
    }
    return 0;
}

/* Reads all with a YAJL of its own, in memory that is given back here. */
static int read_parsed(struct json *j, struct source *in, struct memory *m, struct err *e)
{
    yajl_alloc_funcs funcs = memory_funcs(m);
    if (setjmp(m->ran_out)) {
        memory_free_all(m);
        return err_memory(e, "%s: out of memory", j->out->name);
    }
    j->yajl = yajl_alloc(&callbacks, &funcs, j);
    yajl_config(j->yajl, yajl_allow_multiple_values, 1);
    yajl_config(j->yajl, yajl_dont_validate_strings, 1); /* invalid text is the emitter's */
    int rc = read_all(j, in, e);
    yajl_free(j->yajl);
    return rc;
}

static int read_json(struct source *in, struct emit *out, struct err *e)
{
    struct memory m = {0};
    struct json *j = calloc(1, sizeof *j);
    if (!j)
        return err_memory(e, "%s: out of memory", out->name);
    j->out = out;
    int rc = read_parsed(j, in, &m, e);
    jsonrepair_release(&j->repair);
    free(j);
    return rc;
}

const struct reader reader_json = {probe, read_json};
