/* bpetrain.h - learns a byte-level BPE vocabulary from counted pre-tokens (Sennrich et al. 2016, on
 * bytes as in GPT-2).
 *
 * Every pre-token starts as its bytes. Repeatedly, the most frequent pair of neighbours is joined
 * everywhere, until the vocabulary has the size asked for. A pair's frequency is the number of
 * places where it stands, overlapping ones included ("aaa" holds the pair (a, a) twice), each
 * weighted by its pre-token's count. Ties go to the pair whose left bytes, then whose right bytes,
 * are smaller (compared as unsigned bytes, a prefix before what it begins). Every merge makes one
 * new token: what lies between two borders of symbols is cut in one way only at any time, so no two
 * pairs join to the same bytes. A pair of more than BPETRAIN_MAX_TOKEN bytes is never joined (so
 * all tokens of the largest vocabulary fit in a blob). Pre-tokens may have any length: n bytes of
 * distinct ones cost n log n steps and about 20 n bytes of memory.
 *
 * So the result depends on the multiset of pre-tokens alone: not on their order, nor on threads. */
#ifndef BPETRAIN_H
#define BPETRAIN_H

#include "prep/pretokens.h"
#include "text/vocab.h"

enum { BPETRAIN_MIN_SIZE = VOCAB_N_SPECIAL + 256, BPETRAIN_MAX_TOKEN = 256 };

/* Trains a vocabulary of vocab_size tokens (BPETRAIN_MIN_SIZE..VOCAB_MAX_TOKENS: 4 specials, 256
 * bytes, then merges) and fills v (its previous contents are ignored): kind VOCAB_BPE,
 * form as given, ids in descending frequency in the encoded corpus, ties by bytes, counts
 * those of the encoded corpus (EOS: n_stories). Words that yield fewer tokens give a vocabulary of
 * all there are if `fewer`. vocab_release(v) at the end. v needs nothing of `words` any more.
 * Errors: a size out of range; too few pieces for it, unless `fewer` (the message names the largest
 * size that works); 4 GiB of distinct words; out of memory. */
MUST_USE int bpetrain_run(struct vocab *v, const struct pretokens *words, uint32_t vocab_size,
                          bool fewer, struct vocab_form form, struct err *e);

#endif
