/* file.h - files in and out: read-only maps, and output that appears whole or not at all. */
#ifndef FILE_H
#define FILE_H

#include <stdio.h>

#include "base/err.h"

/* A whole file, mapped read-only. Pages come in when touched. */
struct file_map {
    const unsigned char *data; /* page aligned; NULL for an empty file */
    size_t size;
};

/* Maps path. Directories, missing and unreadable files are errors that name the path. An empty file
 * is no error here: size is 0. */
MUST_USE int file_map(struct file_map *m, const char *path, struct err *e);
void file_unmap(struct file_map *m);

/* The same, unknown to file_map_at and touching no static memory. file_unmap_plain at the end. */
MUST_USE int file_map_plain(struct file_map *m, const char *path, struct err *e);
void file_unmap_plain(struct file_map *m);

/* The path of the map that holds this address, or NULL: for the handler of SIGBUS, which comes when
 * a mapped file has been truncated by somebody else or its disk fails. Async-signal-safe. Knows the
 * first 512 maps open at once. */
const char *file_map_at(const void *address);

/* An output file being written: a temporary file in the folder of `path`, which replaces `path` in
 * file_out_commit, with the permissions of what stood there, and vanishes in file_out_abort and on
 * a fatal signal (file_out_cleanup). It has no name where the system allows (O_TMPFILE), so that a
 * kill leaves nothing; a new file cannot take over an existing name in one step, so it gets the
 * name ".NAME.XXXXXX.bolt.tmp" for the moment before it is renamed. Elsewhere it has that name from
 * the start. Either way it is locked: the next output of the same path removes those that nobody
 * holds, which a kill has left. When path exists and is not a regular file (/dev/full, a pipe), or
 * is "-" for standard output, bytes go straight to it. Up to 256 outputs may be open at once. */
struct file_out {
    int fd;
    char *path;   /* owned; for messages */
    char *target; /* owned; path with symbolic links resolved; NULL when writing straight to path */
    char *temp;   /* name in a table of file.c; NULL when writing straight to path */
    bool named;   /* temp stands in the folder */
    bool placed;  /* target is what was written */
    char *kept;   /* owned; another name of what stood at target; NULL for none */
    bool aside;   /* kept is its only name */
    bool reserved;      /* the file may be longer than position */
    unsigned char *buf; /* owned write buffer */
    size_t n_buf;
    uint64_t position; /* bytes accepted so far */
    bool failed;       /* a write failed: commit will refuse */
};

MUST_USE int file_out_open(struct file_out *o, const char *path, struct err *e);
MUST_USE int file_out_write(struct file_out *o, const void *data, size_t n, struct err *e);

/* Overwrites n bytes at an earlier position (a header whose sums are known last); not for streams.
 */
MUST_USE int file_out_patch(struct file_out *o, uint64_t at, const void *data, size_t n,
                            struct err *e);

/* Reserves room for n bytes in all (posix_fallocate), so that a full disk is an error now and not
 * half-way; not for streams, which it leaves alone. *e says so and errno why. */
MUST_USE int file_out_reserve(struct file_out *o, uint64_t n, struct err *e);

/* Flushes, fsyncs, renames over path and fsyncs the folder. On failure the temporary is removed.
 * The handle is released either way. */
MUST_USE int file_out_commit(struct file_out *o, struct err *e);

/* Its steps, for outputs that belong together; the last is the handle's release by file_out_abort.
 * To end: flushes, frees the buffer, and lets the disk begin; nothing is written after it. To sync:
 * waits for the disk. To name: gives it its temporary name, which may need room in the folder. To
 * keep: gives what stands in its place such a name as well, by a hard link, or instead of its own
 * with `aside`; what a file system without links cannot keep is not kept. To place: renames, which
 * needs no room, and names it first where that was not done. To settle: fsyncs the folder, for all
 * that were placed in it. A stream is flushed, and closed in its place. To put back, after a
 * failure of a later step: what was kept has its place again; where nothing was, the place is
 * empty. */
MUST_USE int file_out_end(struct file_out *o, struct err *e);
MUST_USE int file_out_sync(struct file_out *o, struct err *e);
MUST_USE int file_out_name(struct file_out *o, struct err *e);
MUST_USE int file_out_keep(struct file_out *o, bool aside, struct err *e);
MUST_USE int file_out_place(struct file_out *o, struct err *e);
MUST_USE int file_out_settle(const struct file_out *o, struct err *e);
MUST_USE int file_out_put_back(struct file_out *o, struct err *e);

/* Discards what was written. Safe on a zeroed or committed handle. */
void file_out_abort(struct file_out *o);

/* Removes the temporaries of all open outputs of this process; async-signal-safe. */
void file_out_cleanup(void);

/* Whether path is a directory, or a link to one. */
bool file_is_folder(const char *path);

/* Holds an open file or folder until it is closed, alone or with others that share it. False if
 * somebody else holds it otherwise; a file system without locks has nobody else. */
enum file_holding { FILE_SHARED, FILE_ALONE };
bool file_hold(int fd, enum file_holding how);

/* Opens a file to be held FILE_ALONE: for writing too where that is permitted, which NFS asks for;
 * a name relative to the folder `dir` (AT_FDCWD: the current one). -1 and errno on failure. */
int file_open_to_hold(int dir, const char *name, int flags);

/* Makes the names in a folder last through a power failure, where the file system can and the
 * folder may be read. -1 and errno on failure. */
MUST_USE int file_sync_folder(const char *folder);

/* Creates the directory and its parents where missing, to last through a power failure. */
MUST_USE int file_make_dirs(const char *path, struct err *e);

/* A file in folder, open for reading and writing, that goes away with its descriptor, on any file
 * system. -1 and errno when it cannot be made. */
MUST_USE int file_unnamed(const char *folder);
FILE *file_unnamed_stream(const char *folder); /* NULL and errno */

/* Reads a regular file once, so that a disk that does not give all of it is an error now, of
 * ERR_DATA, and not a SIGBUS of its map; other faults are not. */
MUST_USE int file_check_disk(const char *path, struct err *e);

/* Reads a stream (fd) to its end, at most `limit` bytes, as zero-terminated text, which the caller
 * frees. */
MUST_USE int file_read_fd(int fd, const char *name, size_t limit, char **text, size_t *n,
                          struct err *e);

#endif
