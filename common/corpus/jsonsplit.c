#include "corpus/split.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One object, complete: its field to the caller. `kind` is "line" or "element". */
static int take_object(struct split *s, const char *text, size_t n, const char *kind, struct err *e)
{
    json_error_t fault;
    uint64_t number = ++s->n_done;
    json_t *object = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &fault);
    if (!object)
        return err_set(e, "%s: %s %" PRIu64 ": wrong JSON: %s", s->name, kind, number, fault.text);
    int code;
    const json_t *value = json_object_get(object, s->field);
    if (!json_is_object(object))
        code = err_set(e, "%s: %s %" PRIu64 " is not a JSON object", s->name, kind, number);
    else if (!value)
        code =
            err_set(e, "%s: %s %" PRIu64 " has no field \"%s\"", s->name, kind, number, s->field);
    else if (!json_is_string(value))
        code = err_set(e, "%s: %s %" PRIu64 ": field \"%s\" is not a string", s->name, kind, number,
                       s->field);
    else
        code = s->story(s->context, json_string_value(value), json_string_length(value), e);
    json_decref(object);
    return code;
}

/* --- an array of objects --- */

enum { BEFORE_ARRAY, BEFORE_FIRST, BEFORE_ELEMENT, IN_ELEMENT, BEHIND_ELEMENT, BEHIND_ARRAY };

/* Bytes of data that belong to the element that has begun; *complete when its last is among them.
 * Only brackets and strings matter here: jansson judges the rest. */
static size_t scan_element(struct split *s, const char *data, size_t n, bool *complete)
{
    for (size_t i = 0; i < n; i++) {
        char c = data[i];
        if (s->escape)
            s->escape = false;
        else if (s->quoted) {
            s->escape = c == '\\';
            s->quoted = c != '"';
        } else if (c == '"')
            s->quoted = true;
        else if (c == '{' || c == '[')
            s->depth++;
        else if ((c == '}' || c == ']') && --s->depth == 0) {
            *complete = true;
            return i + 1;
        }
    }
    return n;
}

/* The rest of an element, or as much of it as there is. */
static int feed_element(struct split *s, const char *data, size_t n, size_t *used, struct err *e)
{
    bool complete = false;
    *used = scan_element(s, data, n, &complete);
    if (complete && s->n == 0) /* the usual case: all of it lies in this block */
        s->place = BEHIND_ELEMENT;
    else if (split_append(s, data, *used, s->limit, e))
        return -1;
    if (!complete)
        return 0;
    if (s->place == BEHIND_ELEMENT)
        return take_object(s, data, *used, "element", e);
    s->place = BEHIND_ELEMENT;
    int code = take_object(s, s->buffer, s->n, "element", e);
    s->n = 0;
    return code;
}

/* The place that a byte outside of all elements leads to; -1 if it may not stand there. */
static int step_array(int place, char c)
{
    if (is_space(c))
        return place;
    if (place == BEFORE_ARRAY && c == '[')
        return BEFORE_FIRST;
    if ((place == BEFORE_FIRST || place == BEFORE_ELEMENT) && c == '{')
        return IN_ELEMENT;
    if (place == BEHIND_ELEMENT && c == ',')
        return BEFORE_ELEMENT;
    if ((place == BEFORE_FIRST || place == BEHIND_ELEMENT) && c == ']')
        return BEHIND_ARRAY;
    return -1;
}

int jsonsplit_array_feed(struct split *s, const char *data, size_t n, struct err *e)
{
    static const char *const expected[] = {"'['", "'{' or ']'", "'{'", "", "',' or ']'", "the end"};
    for (size_t i = 0, used; i < n; i += used) {
        if (s->place == IN_ELEMENT) {
            if (feed_element(s, data + i, n - i, &used, e))
                return -1;
            continue;
        }
        int next = step_array(s->place, data[i]);
        if (next < 0)
            return err_set(e, "%s: wrong JSON after element %" PRIu64 " (found '%c', expected %s)",
                           s->name, s->n_done, data[i], expected[s->place]);
        s->place = next;
        used = next != IN_ELEMENT; /* its bracket is the first byte of the element */
    }
    return 0;
}

int jsonsplit_array_finish(struct split *s, struct err *e)
{
    if (s->place == BEHIND_ARRAY)
        return 0;
    return err_set(e, "%s: wrong JSON: the array ends early, after %" PRIu64 " whole elements",
                   s->name, s->n_done);
}

/* --- lines --- */

static int take_line(struct split *s, const char *line, size_t n, struct err *e)
{
    size_t i = 0;
    while (i < n && is_space(line[i]))
        i++;
    if (i == n) {
        s->n_done++; /* so that numbers of lines stay true */
        return 0;
    }
    return take_object(s, line + i, n - i, "line", e);
}

int jsonsplit_lines_feed(struct split *s, const char *data, size_t n, struct err *e)
{
    while (n) {
        const char *end = memchr(data, '\n', n);
        size_t length = end ? (size_t)(end - data) : n, used = length + (end != NULL);
        if (!end || s->n) {
            if (split_append(s, data, length, s->limit, e))
                return -1;
            if (end && take_line(s, s->buffer, s->n, e))
                return -1;
            if (end)
                s->n = 0;
        } else if (take_line(s, data, length, e))
            return -1;
        data += used;
        n -= used;
    }
    return 0;
}

int jsonsplit_lines_finish(struct split *s, struct err *e)
{
    return take_line(s, s->buffer, s->n, e);
}
