/* bolt_private.h - what the files of the library share among themselves. */
#ifndef BOLT_PRIVATE_H
#define BOLT_PRIVATE_H

#include "bolt/bolt_source.h"
#include "bolt/modelfile.h"
#include "model/infer.h"

struct bolt_model {
    struct modelfile file;
    struct bolt_source source;
    struct kern kern;
    struct infer_weights weights;
    const struct cpu_level *level;
};

/* Size of a struct in the version of the interface whose last member was `last`: no `size` can be
 * below it. */
#define BOLT_FIRST_SIZE(type, last) (offsetof(struct type, last) + sizeof(((struct type *)0)->last))

/* Copies the caller's options of from_size bytes over the defaults, of to_size bytes. Members we
 * know and the caller does not stay at their default; those we do not know must be zero. */
bool bolt_take_options(void *to, size_t to_size, size_t first_size, const void *from,
                       size_t from_size);

#define BOLT_BAD_OPTIONS "the options are of a version this library does not know"

/* The bolt_code of a failure. */
int bolt_code_of(const struct err *e);

#endif
