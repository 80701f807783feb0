#include "corpus/split.h"

#include <inttypes.h>

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
        return jsonstory_take(s, data, *used, "element", e);
    s->place = BEHIND_ELEMENT;
    int code = jsonstory_take(s, s->buffer, s->n, "element", e);
    s->n = 0;
    return code;
}

/* The place that a byte outside of all elements leads to; -1 if it may not stand there. */
static int step_array(int place, char c)
{
    if (split_is_space(c))
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

int jsonarray_feed(struct split *s, const char *data, size_t n, struct err *e)
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

int jsonarray_finish(struct split *s, struct err *e)
{
    if (s->place == BEHIND_ARRAY)
        return 0;
    return err_set(e, "%s: wrong JSON: the array ends early, after %" PRIu64 " whole elements",
                   s->name, s->n_done);
}
