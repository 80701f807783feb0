/* toyblob.h - model files for tests. */
#ifndef TOYBLOB_H
#define TOYBLOB_H

#include "base/number.h"
#include "model/model.h"
#include "text/vocab.h"

/* Writes m, whose embedding is in floats, and v as a blob. Failures fail the test. */
void toyblob_write(const char *path, struct model *m, enum number_type embed,
                   const struct vocab *v);

#endif
