/* bolt_source.h - where the bytes of a model come from, for bolt.c, which knows memory only. */
#ifndef BOLT_SOURCE_H
#define BOLT_SOURCE_H

#include "base/err.h"
#include "base/memory.h"
#include "bolt/bolt.h"

struct bolt_source {
    const char *name; /* with which messages begin; used only while opening */
    const void *data;
    size_t n_bytes;
    const struct memory *memory; /* for the model and its contexts */
    /* Sets data and n_bytes; NULL where they are set already. */
    int (*open)(struct bolt_source *s, struct err *e);
    /* Called once after a successful open, when the model is closed; may be NULL. */
    void (*close)(struct bolt_source *s);
};

/* What bolt_open_file and bolt_open_memory do, their pointers being checked; s is copied. */
int bolt_source_open(const struct bolt_source *s, const struct bolt_model_options *options,
                     struct bolt_model **model, char *message, size_t message_size);

/* Copies text into the message, cut to fit; returns code. */
int bolt_source_refuse(char *message, size_t message_size, int code, const char *text);

#endif
