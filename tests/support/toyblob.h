/* toyblob.h - model files for tests. */
#ifndef TOYBLOB_H
#define TOYBLOB_H

#include "blob/blob.h"
#include "model/model.h"

/* Writes m, whose embedding is in floats, and v as a blob. Failures fail the test. */
void toyblob_write(const char *path, struct model *m, enum number_type embed,
                   const struct vocab *v);

/* Maps path and reads it (blob_read). toyblob_close at the end. */
MUST_USE int toyblob_open(struct blob *b, const char *path, struct err *e);
void toyblob_close(struct blob *b);

#endif
