#include "corpus/split.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

int split_append(struct split *s, const char *data, size_t n, size_t most, struct err *e)
{
    if (!n)
        return 0;
    if (n > most || s->n > most - n)
        return err_set(e, "%s: a story is longer than %zu bytes (is its end not marked?)", s->name,
                       s->limit);
    if (array_reserve(&s->buffer, &s->capacity, s->n + n, 1))
        return err_memory(e, "%s: out of memory for a story of %zu bytes", s->name, s->n + n);
    memcpy(s->buffer + s->n, data, n);
    s->n += n;
    return 0;
}

void split_release(struct split *s)
{
    free(s->buffer);
    s->buffer = NULL;
    s->n = s->capacity = 0;
}
