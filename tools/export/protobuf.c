#include "export/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/le.h"

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FOUR_BYTES = 5 };

static void put(struct protobuf *p, const void *data, size_t n)
{
    if (n == 0 || p->failed)
        return;
    p->failed = array_reserve(&p->data, &p->capacity, p->n + n, 1) != 0;
    if (p->failed)
        return;
    memcpy(p->data + p->n, data, n);
    p->n += n;
}

static void put_varint(struct protobuf *p, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    put(p, bytes, n);
}

static void put_key(struct protobuf *p, unsigned field, enum wire wire)
{
    put_varint(p, (uint64_t)field << 3 | wire);
}

void protobuf_int(struct protobuf *p, unsigned field, int64_t value)
{
    put_key(p, field, WIRE_VARINT);
    put_varint(p, (uint64_t)value);
}

void protobuf_float(struct protobuf *p, unsigned field, float value)
{
    unsigned char bytes[4];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    le_put32(bytes, bits);
    put_key(p, field, WIRE_FOUR_BYTES);
    put(p, bytes, sizeof bytes);
}

void protobuf_bytes(struct protobuf *p, unsigned field, const void *data, size_t n)
{
    put_key(p, field, WIRE_BYTES);
    put_varint(p, n);
    put(p, data, n);
}

void protobuf_text(struct protobuf *p, unsigned field, const char *text)
{
    protobuf_bytes(p, field, text, strlen(text));
}

void protobuf_message(struct protobuf *p, unsigned field, struct protobuf *message)
{
    if (message->failed)
        p->failed = true;
    protobuf_bytes(p, field, message->data, message->n);
    protobuf_release(message);
}

void protobuf_release(struct protobuf *p)
{
    free(p->data);
    *p = (struct protobuf){.failed = p->failed};
}
