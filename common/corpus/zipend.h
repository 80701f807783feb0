/* zipend.h - where a zip archive ends, and whether it fills its file.
 *
 * A zip archive is read from its end, where its directory is; so what stands before the archive or
 * after it, a second archive for example, would go unread and unnoticed. Layout of the records:
 * APPNOTE.TXT 6.3, sections 4.3.14 to 4.3.16. */
#ifndef ZIPEND_H
#define ZIPEND_H

#include "base/err.h"

struct zipend {
    uint64_t n_bytes;   /* of the archive, which begins with the file; only zeros follow it */
    uint64_t n_entries; /* as its directory counts them */
    bool wraps;         /* the count is modulo 65,536 */
};

/* Errors: no end record (a truncated file), or something else before or after the archive. */
MUST_USE int zipend_find(struct zipend *z, int fd, const char *name, struct err *e);

#endif
