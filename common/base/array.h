/* array.h - arrays that grow. */
#ifndef ARRAY_H
#define ARRAY_H

#include "base/base.h"

/* The part of array_reserve that is seldom needed. */
MUST_USE int array_grow(void *array, size_t *capacity, size_t wanted, size_t size);

/* Makes room for `wanted` elements of `size` bytes. `array` is the address of the pointer to them,
 * which is NULL at first and freed by its owner; *capacity the elements there is room for. Grows by
 * half at least, so that adding one by one costs little. -1 when out of memory; nothing is changed
 * then. */
MUST_USE static inline int array_reserve(void *array, size_t *capacity, size_t wanted, size_t size)
{
    return wanted <= *capacity ? 0 : array_grow(array, capacity, wanted, size);
}

#endif
