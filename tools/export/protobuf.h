/* protobuf.h - messages in the encoding of Protocol Buffers, in memory.
 *
 * Wire format: https://protobuf.dev/programming-guides/encoding/: a field is its number and wire
 * type as one varint, then a varint, four bytes, or a length and as many bytes. */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include "base/base.h"

/* A message being built; begins zeroed. After memory ran out all calls do nothing but free. */
struct protobuf {
    unsigned char *data; /* owned */
    size_t n;
    size_t capacity;
    bool failed;
};

void protobuf_int(struct protobuf *p, unsigned field, int64_t value);
void protobuf_float(struct protobuf *p, unsigned field, float value);
void protobuf_bytes(struct protobuf *p, unsigned field, const void *data, size_t n);
void protobuf_text(struct protobuf *p, unsigned field, const char *text);

/* Moves a finished message into another. */
void protobuf_message(struct protobuf *p, unsigned field, struct protobuf *message);

void protobuf_release(struct protobuf *p);

#endif
