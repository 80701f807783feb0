/* gunzip.h - undoes gzip and checks it, by way of zlib.
 *
 * libarchive reads gzip as well, but version 3.6 (as measured) does not verify the checksum,
 * without which a flipped bit in text compressed with gzip is hardly ever noticed. A file may be
 * several gzip members, one after the other, and zeros; anything else after a member is an error.
 */
#ifndef GUNZIP_H
#define GUNZIP_H

#include "corpus/source.h"

/* True if these first bytes are those of gzip. */
bool gunzip_probe(const char *data, size_t n);

/* `name`, for messages, and `from` are used until gunzip_close. NULL and *e when out of memory. */
struct source *gunzip_open(struct source *from, const char *name, struct err *e);
void gunzip_close(struct source *gunzip); /* NULL is fine */

#endif
