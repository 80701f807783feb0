/* pretok.h - cuts text into pre-tokens exactly as GPT-2's pattern does:
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * (Radford et al. 2019; Unicode classes from utf8proc; \s is Unicode White_Space). Every byte of
 * the text belongs to exactly one pre-token. */
#ifndef PRETOK_H
#define PRETOK_H

#include "base/base.h"

/* Length in bytes (> 0) of the pre-token that starts text[0..n), n > 0. Bytes that are not valid
 * UTF-8 count as characters of class "neither letter, number nor space", so any input is cut. */
size_t pretok_next(const char *text, size_t n);

#endif
