#include "corpus/split.h"

#include <string.h>

static int take_line(struct split *s, const char *line, size_t n, struct err *e)
{
    size_t i = 0;
    while (i < n && split_is_space(line[i]))
        i++;
    if (i == n) {
        s->n_done++; /* so that numbers of lines stay true */
        return 0;
    }
    return jsonstory_take(s, line + i, n - i, "line", e);
}

int jsonlines_feed(struct split *s, const char *data, size_t n, struct err *e)
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

int jsonlines_finish(struct split *s, struct err *e)
{
    return take_line(s, s->buffer, s->n, e);
}
