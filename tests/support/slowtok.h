/* slowtok.h - encoding as text/tokenizer.h and format/VOCAB.md define it, taken at their word. */
#ifndef SLOWTOK_H
#define SLOWTOK_H

#include "text/vocab.h"

enum { SLOWTOK_MOST = 3000 };

/* Ids of one pre-token of at most SLOWTOK_MOST bytes: the leftmost pair of the lowest rank, again
 * and again. The merges are looked up as byte strings, so that nothing of the table of symbols is
 * used. Returns how many; ids has room for n. */
size_t slowtok_pretoken(const struct vocab *v, const char *text, size_t n, uint16_t *ids);

/* Ids of a text whose pre-tokens are sentences, marks being ASCII. */
size_t slowtok_sentences(const struct vocab *v, const char *text, size_t n, uint16_t *ids);

#endif
