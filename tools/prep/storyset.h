/* storyset.h - a set of stories, each known by the 128-bit hash of its text: 16 bytes a story
 * instead of the text. Two different stories of 2^27 meet in one hash with a chance of about 2^-75.
 */
#ifndef STORYSET_H
#define STORYSET_H

#include "base/err.h"
#include "base/hash.h"

struct storyset {          /* zero-initialise */
    struct hash128 *slots; /* owned; all zero is a free one */
    size_t n_slots;        /* a power of two */
    size_t n;
};

/* *is_new tells whether the story was not in the set before. */
MUST_USE int storyset_add(struct storyset *s, struct hash128 story, bool *is_new, struct err *e);
bool storyset_has(const struct storyset *s, struct hash128 story);
void storyset_release(struct storyset *s);

#endif
