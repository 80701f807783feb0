/* blob_file.h - blobs as files, written whole or not at all. */
#ifndef BLOB_FILE_H
#define BLOB_FILE_H

#include "blob/blob.h"
#include "os/file_set.h"

/* Writes what blob_build makes of the same arguments; with a set, to appear with it. Errors: those,
 * and of the file. */
MUST_USE int blob_write(const char *path, const struct dims *d, enum number_type embed,
                        const struct vocab *v, const struct blob_tensor *tensors,
                        uint64_t *fingerprint, struct file_set *set, struct err *e);

#endif
