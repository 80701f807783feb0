/* gpt2vocab.h - vocabularies made from GPT-2's own BPE (vocab.json and merges.txt), the way of the
 * original FlashLM v4: text is cut by all of GPT-2's merges, of the resulting base tokens the most
 * frequent are kept, and the rest become UNK. */
#ifndef GPT2VOCAB_H
#define GPT2VOCAB_H

#include "prep/pretokens.h"
#include "text/vocab.h"

enum { GPT2VOCAB_HEAD_STORIES = 50000 }; /* the stories that decide which base tokens are kept */

/* Reads GPT-2's two files as a vocabulary of all its tokens, in GPT-2's order: id = GPT-2's id + 4,
 * counts 0, kind VOCAB_GPT2, form zero. merges.txt may begin with a "#version" line or not, and
 * end with blank lines; either file may begin with a byte-order mark.
 * Errors name the file and the fault: not a JSON object of numbers, ids missing or given twice, a
 * name with a character that stands for no byte, a byte without a token, a merge of unknown tokens,
 * or whose result is not a token, a merge given twice. vocab_release(v) at the end. */
MUST_USE int gpt2vocab_load(struct vocab *v, const char *vocab_path, const char *merges_path,
                            struct err *e);

/* Reads the files and fills v (its previous contents are not looked at) with vocab_size tokens
 * (5..VOCAB_MAX_TOKENS): the 4 specials and those vocab_size - 4 base tokens that are the most
 * frequent by count_head (ties by bytes), then put in descending frequency in the whole encoded
 * corpus, ties by bytes; where there are fewer base tokens, all of them if `fewer`. kind
 * VOCAB_GPT2, form as given, all of GPT-2's merges, counts those of the whole encoded corpus
 * (UNK: pieces not kept; EOS: n_stories). *coverage (may be NULL) is the share of pieces in the
 * whole corpus that are kept, 0..1. Errors: those of gpt2vocab_load; a size out of range; too few
 * base tokens for it, unless `fewer` (the message names the largest size that works); out of
 * memory. */
MUST_USE int gpt2vocab_build(struct vocab *v, const struct pretokens *words, uint32_t vocab_size,
                             bool fewer, struct vocab_form form, const char *vocab_path,
                             const char *merges_path, double *coverage, struct err *e);

#endif
