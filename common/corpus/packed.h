/* packed.h - undoes compression and walks archives, by way of libarchive.
 *
 * All that is packed is read, or there is an error: after the end of a compressed stream or of an
 * archive, only another one or zeros may follow. A tar archive without its end mark is recognised.
 */
#ifndef PACKED_H
#define PACKED_H

#include "corpus/head.h"

enum packed_kind {
    PACKED_NOT,
    PACKED_GZIP,   /* for gunzip.h */
    PACKED_ZSTD,   /* for unzstd.h */
    PACKED_STREAM, /* bzip2 or xz */
    PACKED_TAR,
    PACKED_ZIP
};
enum { PACKED_HEAD = 512 }; /* bytes that packed_probe wants, or all where there are fewer */

enum packed_kind packed_probe(const char *data, size_t n);

struct packed;

/* Each is NULL and *e on failure; `from`, and `name` for messages, are used until packed_close. A
 * zip archive's directory stands at its end, so it is read from a file, which it fills. A stream's
 * head has been looked at. */
struct packed *packed_stream(struct head *from, const char *name, struct err *e);
struct packed *packed_tar(struct source *from, const char *name, struct err *e);
struct packed *packed_zip(int fd, const char *name, struct err *e);
void packed_close(struct packed *p); /* NULL is fine */

/* Goes on to an archive's next regular file: *member is its name, good until the next call, or NULL
 * when there is none. */
MUST_USE int packed_next(struct packed *p, const char **member, struct err *e);

/* The current member for people: "archive: member". */
const char *packed_name(const struct packed *p);

/* The bytes of the current member, or of the stream. */
struct source *packed_source(struct packed *p);

/* True if a tar archive, read to its end, has no end mark: it was perhaps cut between two members.
 */
bool packed_is_cut(const struct packed *p);

#endif
