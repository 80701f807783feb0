/* buffers.h - operands in traps: each in pages of its own between two pages that may not be
 * touched, with known bytes around it and a copy of what it held before the call. */
#ifndef BUFFERS_H
#define BUFFERS_H

#include "base/err.h"

enum buffers_place {
    BUFFERS_BEFORE_GUARD, /* the last byte is the last one that may be touched */
    BUFFERS_AFTER_GUARD,  /* the first byte is the first one that may be touched */
    BUFFERS_UNALIGNED,    /* in the middle, aligned to a float and to no more */
    BUFFERS_N_PLACES
};

/* Maps the pages. */
MUST_USE int buffers_init(struct err *e);

/* Forgets all operands; the next ones are placed so. */
void buffers_reset(enum buffers_place place);

/* A new operand; its bytes are undefined. At most 10 operands of at most 4 MB: more is a bug. */
void *buffers_input(size_t bytes);
void *buffers_output(size_t bytes); /* may be changed by the call */

/* Remembers what all operands hold. */
void buffers_seal(void);

/* What an operand held at the last buffers_seal. */
const void *buffers_before(const void *operand);

/* NULL if no input and nothing around any operand has changed since buffers_seal, else a sentence.
 */
const char *buffers_damage(void);

#endif
