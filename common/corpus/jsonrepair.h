/* jsonrepair.h - carries broken text through a JSON parser that accepts none.
 *
 * A story in JSON may hold bytes that are no UTF-8, or an escape of half a surrogate pair. Each
 * such fault becomes the noncharacter U+FFFE before parsing, and the byte 0xff after it, which is
 * as invalid as it was: whoever normalises the story replaces and counts it as in any other text.
 */
#ifndef JSONREPAIR_H
#define JSONREPAIR_H

#include "base/err.h"

/* A copy of JSON text[0..n) with every fault replaced; *out is malloc'ed, *n_out its bytes. */
MUST_USE int jsonrepair_hide(const char *text, size_t n, char **out, size_t *n_out, struct err *e);

/* Puts one invalid byte in place of every U+FFFE, in place; returns the new length. */
size_t jsonrepair_show(char *text, size_t n);

#endif
