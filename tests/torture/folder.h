/* folder.h - folders of results: emptied, copied, compared. They hold files
 * only. */
#ifndef FOLDER_H
#define FOLDER_H

#include "base/base.h"

enum { FOLDER_MAX_FILES = 64, FOLDER_NAME = 96 };

/* The names in a folder, sorted; none if it does not exist. */
struct folder {
    char names[FOLDER_MAX_FILES][FOLDER_NAME];
    size_t n;
};

void folder_read(struct folder *f, const char *path);
bool folder_has(const struct folder *f, const char *name);

/* Deletes the files in it and itself. */
void folder_remove(const char *path);

/* `to` holds what `from` does, and nothing else. */
void folder_copy(const char *from, const char *to);

/* The temporary of an output, which a killed program leaves. */
bool folder_is_stray(const char *name);
size_t folder_strays(const char *path);

/* True if both files hold the same: bytes; or of checkpoints and of the log of
 * a run all that does not tell the time. */
bool folder_same_file(const char *a, const char *b);

/* True if both checkpoints hold the same tensors, whatever their metadata say.
 */
bool folder_same_tensors(const char *a, const char *b);

/* The name of a file that stands in only one of the folders, strays and, in a, logs set aside
 * excepted, or differs; NULL if there is none. Valid until the next call. */
const char *folder_difference(const char *a, const char *b);

#endif
