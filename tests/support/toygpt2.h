/* toygpt2.h - GPT-2's two files in miniature: the 256 bytes, "<|endoftext|>", a few merged tokens.
 */
#ifndef TOYGPT2_H
#define TOYGPT2_H

#include <stddef.h>

#define TOYGPT2_SPACE "\xc4\xa0" /* U+0120, which stands for a space */

enum { TOYGPT2_VOCAB_BYTES = 8192 };

/* merges.txt, and what it makes in vocab.json. */
extern const char toygpt2_merges[];
extern const char toygpt2_merged[];

/* Writes vocab.json, with `more` after the tokens every one has: toygpt2_merged, or "". Its length.
 */
size_t toygpt2_vocab(char json[TOYGPT2_VOCAB_BYTES], const char *more);

#endif
