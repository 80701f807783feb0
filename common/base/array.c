#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1024 };

int array_grow(void *array, size_t *capacity, size_t wanted, size_t size)
{
    size_t n_bytes;
    size_t n = MAX(wanted, MAX(*capacity + *capacity / 2, DIV_UP((size_t)FIRST_BYTES, size)));
    void *items;
    memcpy(&items, array, sizeof items);
    items = size_mul(n, size, &n_bytes) ? realloc(items, n_bytes) : NULL;
    if (!items)
        return -1;
    memcpy(array, &items, sizeof items);
    *capacity = n;
    return 0;
}
