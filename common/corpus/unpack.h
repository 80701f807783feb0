/* unpack.h - a file as a sequence of plain members, whatever it is packed in.
 *
 * Compression (gzip, bzip2, xz, zstd) is undone, archives (tar, zip) are walked, and so are
 * archives within an archive, two deep. Any other file is one member. Only regular files count; the
 * extra files that macOS and Windows add are passed over. */
#ifndef UNPACK_H
#define UNPACK_H

#include "corpus/head.h"

/* Called for each member in order. `name` is the file for people, "archive: member" within an
 * archive. A failure ends the walk. */
typedef int unpack_visit(void *context, const char *name, struct head *in, struct err *e);

/* Called with every block that is read: bytes of the file so far, and its size (0 if unknown). */
typedef void unpack_progress(void *context, uint64_t read, uint64_t total);

struct unpack_hooks {
    unpack_visit *visit;
    unpack_progress *progress; /* may be NULL */
    void *progress_context;
    void *context; /* of visit */
    bool ahead;    /* another thread undoes the compression of a regular file */
};

struct unpack_result {
    uint64_t n_passed_over; /* members that are no text by their name and content */
    uint64_t n_cut;         /* tar archives without an end mark, perhaps cut between two members */
};

/* "-" is standard input. No more than max_bytes may come out of the file, what is packed twice
 * counted twice. Errors name the file and the member: unreadable, a directory, damaged, truncated,
 * something else after its end, packed too deep, too large. */
MUST_USE int unpack_file(const char *path, uint64_t max_bytes, const struct unpack_hooks *hooks,
                         struct unpack_result *result, struct err *e);

#endif
