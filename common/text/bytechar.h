/* bytechar.h - GPT-2's alphabet of bytes: each byte as a character one can see. Its vocabulary
 * files, and all tokenizers of that family, are written in it (Radford et al. 2019).
 *
 * A byte that is a printable character of Latin-1 stands for itself; the other 68 are the code
 * points from 256 up, in the order of the bytes: a space is U+0120. */
#ifndef BYTECHAR_H
#define BYTECHAR_H

#include <stddef.h>

#include "base/base.h"

enum { BYTECHAR_NONE = -1 };

/* Byte (0..255) that a code point stands for, or BYTECHAR_NONE. */
int bytechar_byte(uint32_t code);

/* The bytes that the characters of name[0, n) stand for, written to bytes, which has room for n.
 * Returns how many there are, or BYTECHAR_NONE if a character stands for none. */
ptrdiff_t bytechar_decode(const char *name, size_t n, unsigned char *bytes);

/* Code point (33..323) of a byte. */
uint32_t bytechar_code(unsigned char byte);

#endif
