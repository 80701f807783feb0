/* gunzip.h - undoes gzip and checks it, by way of zlib; anything else passes through unchanged.
 *
 * libarchive reads gzip as well, but version 3.6 (as measured) does not look at the checksum,
 * and a flipped bit in text compressed with gzip is hardly ever noticed without. So gzip is undone
 * before libarchive sees it. A file may be several gzip members, one after the other, and zeros. */
#ifndef GUNZIP_H
#define GUNZIP_H

#include "base/base.h"

struct gunzip;

/* Where the bytes come from: *data gets a block that is valid until the next call. Returns its
 * length, 0 at the end, -1 on failure. */
typedef long gunzip_source(void *context, const void **data);

struct gunzip *gunzip_new(gunzip_source *source, void *context); /* NULL when out of memory */
void gunzip_free(struct gunzip *g);                              /* NULL is fine */

/* Makes it a new stream from the same source. */
void gunzip_restart(struct gunzip *g);

/* The next block, like a source. After -1 gunzip_fault tells what was wrong, or is NULL if the
 * source failed. */
long gunzip_read(struct gunzip *g, const void **data);
const char *gunzip_fault(const struct gunzip *g);

/* True if these first bytes are those of gzip. */
bool gunzip_probe(const unsigned char *data, size_t n);

#endif
