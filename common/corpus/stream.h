/* stream.h - the bytes of a file and of what is packed in it, through libarchive.
 *
 * A file is a sequence of members: an archive (.tar, .tar.*, .zip) has many, any other file is one
 * member without a name. Compression (.gz .bz2 .xz .zst) is undone on the way, around an archive
 * and around each member of it. Members that are not regular files are passed over. */
#ifndef STREAM_H
#define STREAM_H

#include "base/err.h"

struct stream;

/* "-" is standard input. Directories, missing and unreadable files are errors that name the path.
 * NULL and *e on failure. */
struct stream *stream_open(const char *path, struct err *e);
void stream_close(struct stream *s); /* NULL is fine */

/* Goes on to the next member. *more is false when there is none. */
MUST_USE int stream_next(struct stream *s, bool *more, struct err *e);

/* The file for people, "archive: member" within an archive; valid until the next stream_next. */
const char *stream_name(const struct stream *s);

/* Reads up to n bytes of the member into data; *got is 0 only at its end. */
MUST_USE int stream_read(struct stream *s, char *data, size_t n, size_t *got, struct err *e);

/* Bytes of the file itself read so far, and its size (0 if unknown). */
void stream_position(const struct stream *s, uint64_t *read, uint64_t *total);

#endif
