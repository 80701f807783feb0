/* pretok.h - cuts text into pre-tokens, which merges do not cross: words, or sentences.
 *
 * Words are cut exactly as GPT-2's pattern does (Radford et al. 2019; Unicode classes from
 * utf8proc; \s is Unicode White_Space):
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * A sentence ends after the first of its marks and the punctuation that follows it, and before a
 * line feed; line feeds stand by themselves. With M for the marks . ! ? U+2026 U+3002 U+FF01 U+FF1F
 * the pattern is
 *
 *   \n+|[^\nM]*[M][^\s\p{L}\p{N}]*|[^\nM]+
 *
 * Both give every byte of the text to exactly one pre-token, and bytes that are not valid UTF-8
 * count as characters of class "neither letter, number nor space", so any input is cut. */
#ifndef PRETOK_H
#define PRETOK_H

#include "base/base.h"

/* Length in bytes (> 0) of the word that starts text[0..n), n > 0. */
size_t pretok_next(const char *text, size_t n);

/* Cuts the first words off text[0..n), n > 0: stores their lengths and returns how many there are,
 * at least one. The same as repeated pretok_next, several times as fast where text is ASCII.
 */
enum { PRETOK_MOST = 64 };
size_t pretok_words(const char *text, size_t n, uint32_t lengths[PRETOK_MOST]);

/* The same for the sentence. Cutting text into words first shows where its sentences are: a word
 * with a mark or a line feed in it ends one. */
size_t pretok_sentence(const char *text, size_t n);

/* True if the word has a mark or a line feed in it. */
bool pretok_ends_sentence(const char *word, size_t n);

#endif
