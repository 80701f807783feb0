#include "corpus/split.h"

#include <string.h>

static const char mark[] = "<|endoftext|>";
enum { MARK_BYTES = sizeof mark - 1 };

static int too_long(const struct split *s, struct err *e)
{
    return err_set(e, "%s: a story is longer than %zu bytes (is there no %s behind it?)", s->name,
                   s->limit, mark);
}

int textsplit_feed(struct split *s, const char *data, size_t n, struct err *e)
{
    if (!n)
        return 0;
    if (split_append(s, data, n, SIZE_MAX, e))
        return -1;
    char *begin = s->buffer, *from = s->buffer + s->scanned, *end = s->buffer + s->n;
    for (char *p; (p = memmem(from, (size_t)(end - from), mark, MARK_BYTES)); from = begin) {
        size_t length = (size_t)(p - begin);
        if (length > s->limit)
            return too_long(s, e);
        if (s->story(s->context, begin, length, e))
            return -1;
        begin = p + MARK_BYTES;
    }
    s->n = (size_t)(end - begin);
    if (s->n > s->limit + MARK_BYTES)
        return too_long(s, e);
    memmove(s->buffer, begin, s->n);
    s->scanned = s->n < MARK_BYTES ? 0 : s->n - (MARK_BYTES - 1); /* a mark may be cut in two */
    return 0;
}

int textsplit_finish(struct split *s, struct err *e)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strchr(" \t\r\n\f\v", s->buffer[i]) || !s->buffer[i])
            return s->n > s->limit ? too_long(s, e) : s->story(s->context, s->buffer, s->n, e);
    return 0;
}
