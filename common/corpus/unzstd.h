/* unzstd.h - undoes zstd, by way of libzstd.
 *
 * libarchive reads zstd as well, but does not distinguish a complete frame from one that is cut
 * short: a file may be several frames, one after the other, and zeros; anything else after a frame
 * is an error.
 */
#ifndef UNZSTD_H
#define UNZSTD_H

#include "corpus/source.h"

/* True if these first bytes are those of zstd: a frame, or one to be skipped. */
bool unzstd_probe(const char *data, size_t n);

/* `name`, for messages, and `from` are used until unzstd_close. NULL and *e when out of memory. */
struct source *unzstd_open(struct source *from, const char *name, struct err *e);
void unzstd_close(struct source *unzstd); /* NULL is fine */

#endif
