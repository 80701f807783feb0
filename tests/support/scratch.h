/* scratch.h - a folder of temporary files for one test program, and files as plain bytes. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "base/base.h"

/* A cmocka group's setup and teardown: makes the folder, removes it with all files in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

const char *scratch_dir(void);

/* Path of `name` in the folder; valid until the fourth call after. */
const char *scratch_path(const char *name);

/* Whole files; any failure fails the test. The caller frees what scratch_read returns. */
void scratch_write(const char *path, const void *data, size_t n);
unsigned char *scratch_read(const char *path, size_t *n);

/* How many entries the folder has. */
size_t scratch_count(void);

#endif
