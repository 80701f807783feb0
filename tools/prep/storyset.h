/* storyset.h - a set of stories, each known by 72 bits of the hash of its text: 9 to 11 bytes a
 * story instead of the text. Among 2^24 stories, two different ones have the same hash with a
 * chance of about 2^-25; one of them would then be dropped. */
#ifndef STORYSET_H
#define STORYSET_H

#include "base/err.h"
#include "base/hash.h"

enum { STORYSET_TABLES = 256 };

struct storyset {    /* zero-initialise */
    uint64_t *slots; /* owned, [STORYSET_TABLES][n_slots]; 0 is a free one */
    size_t n_slots;
    uint32_t n_used[STORYSET_TABLES];
    size_t n; /* stories */
};

/* *is_new tells whether the story was not in the set before. */
MUST_USE int storyset_add(struct storyset *s, struct hash128 story, bool *is_new, struct err *e);
bool storyset_has(const struct storyset *s, struct hash128 story);
void storyset_release(struct storyset *s);

#endif
