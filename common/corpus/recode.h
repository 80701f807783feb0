/* recode.h - text in any encoding as UTF-8, by way of iconv(3). */
#ifndef RECODE_H
#define RECODE_H

#include "corpus/head.h"

/* Whether iconv knows the encoding. */
bool recode_knows(const char *encoding);

/* The encoding that the byte-order mark at data[0..n) states, and the mark's bytes; NULL and 0
 * without one. "UTF-8" needs no recoding. */
const char *recode_mark(const char *data, size_t n, size_t *n_mark);

/* UTF-16 or UTF-32 without a mark, by its zero bytes; NULL if data[0..n) does not look like it. */
const char *recode_guess(const char *data, size_t n);

/* `from` as UTF-8; what is invalid in the encoding becomes a byte 0xff, which is invalid in UTF-8.
 * `name` and `from` are used until recode_close. NULL and *e on failure. */
struct source *recode_open(struct source *from, const char *encoding, const char *name,
                           struct err *e);
void recode_close(struct source *recode); /* NULL is fine */

#endif
