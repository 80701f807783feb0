/* base.h - the few macros and inline functions that every file uses. No state. */
#ifndef BASE_H
#define BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOLT_VERSION "0.1.0" /* version of the programs, printed by --version */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Rounds n up to a multiple of `to`, a power of two. */
#define ALIGN_UP(n, to) (((n) + ((to)-1)) & ~(size_t)((to)-1))

/* Smallest number of groups of `size` that hold n. */
#define DIV_UP(n, size) (((n) + (size)-1) / (size))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE __attribute__((warn_unused_result))

/* Stores a*b in *out; false if it does not fit. For every size that comes from a file. */
static inline bool size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Stores a+b in *out; false if it does not fit. */
static inline bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

#endif
