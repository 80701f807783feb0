#include "corpus/head.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int next(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct head *h = (struct head *)source;
    if (!h->n)
        return source_next(h->from, data, n, e);
    *data = h->data;
    *n = h->n;
    h->n = 0;
    return 0;
}

void head_init(struct head *h, struct source *from)
{
    *h = (struct head){.source = {next}, .from = from};
}

void head_release(struct head *h)
{
    free(h->buffer);
    *h = (struct head){0};
}

/* A block is good until the next one is asked for: what is at hand must be kept before. */
static int keep(struct head *h, const char *data, size_t n, struct err *e)
{
    if (array_reserve(&h->buffer, &h->capacity, h->n + n, 1))
        return err_memory(e, "out of memory for the first bytes of a file");
    memmove(h->buffer + h->n, data, n);
    return 0;
}

int head_look(struct head *h, size_t want, struct err *e)
{
    while (h->n < want) {
        const char *data = h->data;
        size_t n = h->n;
        bool borrowed = n && data != h->buffer;
        if (borrowed) {
            h->n = 0;
            if (keep(h, data, n, e))
                return -1;
            h->data = h->buffer;
            h->n = n;
        }
        if (source_next(h->from, &data, &n, e))
            return -1;
        if (!n)
            return 0;
        if (h->n) {
            if (keep(h, data, n, e))
                return -1;
            h->data = h->buffer;
        } else {
            h->data = data;
        }
        h->n += n;
    }
    return 0;
}

void head_skip(struct head *h, size_t n)
{
    h->n -= n;
    if (h->data == h->buffer)
        memmove(h->buffer, h->buffer + n, h->n);
    else
        h->data += n;
}
