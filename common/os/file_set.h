/* file_set.h - output files that belong together: all of them appear, or none.
 *
 *     struct file_set set = {0};
 *     write the first; file_set_take(&set, &out, e);
 *     write the second; file_set_take(&set, &out, e);
 *     file_set_commit(&set, e), or file_set_abort(&set) after any failure
 *
 * A writer of one file takes a set that may be NULL, and ends with file_set_take. */
#ifndef FILE_SET_H
#define FILE_SET_H

#include "os/file.h"

enum { FILE_SET_MAX = 240 }; /* below file.h's limit of outputs */

struct file_set {         /* begins zeroed */
    struct file_out *out; /* owned, [n] */
    size_t n, capacity;
    bool last_completes; /* nobody takes the files for a whole where the last one is missing */
};

/* Adds a finished file to the set: it is on its way to the disk (file_out_end) and appears when the
 * set is committed; with NULL for a set it appears at once (file_out_commit). The handle is
 * released either way, and the file discarded on failure. */
MUST_USE int file_set_take(struct file_set *s, struct file_out *o, struct err *e);

/* Waits until all files are on disk, puts them in their places, in the order taken, and fsyncs each
 * folder once. Where a rename or the last fsync fails, what stood in their places is put back; on a
 * file system without hard links the files already in place are only removed again, so that no part
 * of a set is taken for the whole. A signal that ends the program waits until all have their
 * places. Where nothing can wait (SIGKILL, a power failure), old and new files may stand beside
 * each other; with last_completes, the last one is missing meanwhile. The set is empty afterwards.
 */
MUST_USE int file_set_commit(struct file_set *s, struct err *e);

/* Discards all files. Safe on an empty set. */
void file_set_abort(struct file_set *s);

#endif
