/* head.h - a source whose first bytes can be looked at before they are read. */
#ifndef HEAD_H
#define HEAD_H

#include "corpus/source.h"

struct head {
    struct source source; /* gives all bytes, those looked at too */
    struct source *from;
    const char *data; /* the first bytes, of which n are at hand */
    size_t n;
    char *buffer; /* owned: data, where one block was not enough */
    size_t capacity;
};

/* Puts a head before a source, which is used until head_release. */
void head_init(struct head *h, struct source *from);
void head_release(struct head *h);

/* Makes h->n at least `want`, unless the source has less. Only before the first read. */
MUST_USE int head_look(struct head *h, size_t want, struct err *e);

/* Drops the first n of the bytes at hand. */
void head_skip(struct head *h, size_t n);

#endif
