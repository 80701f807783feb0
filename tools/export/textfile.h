/* textfile.h - a small text file of a set: written to a stream in memory, then to the set as a
 * whole. */
#ifndef TEXTFILE_H
#define TEXTFILE_H

#include <stdio.h>

#include "os/file_set.h"

/* Between the two calls the caller writes to `stream`; textfile_close reports what failed there. */
struct textfile {
    FILE *stream;
    char *text;
    size_t n;
};

/* The stream; NULL, with the error, when out of memory. */
FILE *textfile_open(struct textfile *t, struct err *e);

/* Makes the text the file `name` of the folder `dir` in the set. Call it after every textfile_open
 * that succeeded. */
MUST_USE int textfile_close(struct textfile *t, const char *dir, const char *name,
                            struct file_set *files, struct err *e);

/* The same with the text given. */
MUST_USE int textfile_write(const char *text, const char *dir, const char *name,
                            struct file_set *files, struct err *e);

/* Before a file is written whose name nobody gave: an error if a file stands there that does not
 * hold `words`, since it is of something else and must not be replaced without a word. */
MUST_USE int textfile_check(const char *path, const char *words, struct err *e);

/* "DIR/NAME", for the caller to free; NULL, with the error, when out of memory. */
char *textfile_path(const char *dir, const char *name, struct err *e);

#endif
