/* stop.h - finds texts that end a story, in text that comes piece by piece.
 *
 * Every text is followed by its own automaton (Knuth, Morris and Pratt 1977), so a text is found
 * wherever the borders of the pieces lie, and it is known at any time how much of the end may still
 * become one. Bytes are compared as they are. */
#ifndef STOP_H
#define STOP_H

#include "base/err.h"

struct stop_text {
    const char *bytes;
    uint32_t n; /* > 0 */
    const uint32_t
        *back; /* [n] after i + 1 matching bytes: how many match when the next does not */
};

struct stop {
    struct stop_text *texts; /* [n] */
    size_t n;
    uint32_t *backs; /* owned: all tables */
};

/* Keeps pointers to the texts, which are not empty and shorter than 2^31 bytes. stop_release in any
 * case. */
MUST_USE int stop_init(struct stop *s, const char *const *texts, size_t n, struct err *e);
void stop_release(struct stop *s);

/* Follows `bytes`. state [s->n] is the caller's, zero where the text begins. True when a text is
 * complete: *end is then the number of these bytes up to its end, *length its own length; of those
 * that end at the same byte it is the longest, of others the one that ends first. */
bool stop_find(const struct stop *s, uint32_t *state, const unsigned char *bytes, size_t n,
               size_t *end, size_t *length);

/* Bytes at the end of what was followed that may be the beginning of a text. */
size_t stop_held(const struct stop *s, const uint32_t *state);

#endif
