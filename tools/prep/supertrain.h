/* supertrain.h - the second phase of learning a vocabulary of superwords (Liu et al. 2025, arXiv
 * 2503.13423): merges on sentences, which the merges inside words have been run on already.
 *
 * What bpetrain.h says of frequencies, ties, new tokens and the length of a token holds here, with
 * sentences for pre-tokens. So the result depends on the multiset of sentences alone. */
#ifndef SUPERTRAIN_H
#define SUPERTRAIN_H

#include "base/pool.h"
#include "text/vocab.h"

enum { SUPERTRAIN_BORDER = 0xffff };

/* Sentences as the symbols of base (tokenizer.h), one after another. */
struct supertrain_text {
    uint16_t *cells; /* [n], SUPERTRAIN_BORDER at the start and after each sentence; written to */
    size_t n;
    uint64_t n_stories;
};

/* Fills v (its previous contents are not looked at) with a vocabulary of vocab_size tokens that
 * begins with the merges of base, its pre-tokens being sentences: ids in descending frequency in
 * the encoded sentences, ties by bytes, counts those of the sentences (EOS: n_stories). Sentences
 * that yield fewer tokens give a vocabulary of all there are if `fewer`. vocab_release(v) at the
 * end. Errors: too few pieces for the size, unless `fewer` (the message names the largest that
 * works); out of memory. */
MUST_USE int supertrain_run(struct vocab *v, const struct vocab *base, struct supertrain_text *text,
                            uint32_t vocab_size, bool fewer, struct pool *pool, struct err *e);

#endif
