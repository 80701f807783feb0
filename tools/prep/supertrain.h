/* supertrain.h - the second phase of learning a vocabulary of superwords (Liu et al. 2025, arXiv
 * 2503.13423): merges on sentences, on which the merges inside words have already been run.
 *
 * What bpetrain.h says of frequencies, ties, new tokens and the length of a token holds here, with
 * sentences for pre-tokens. So the result depends on the multiset of sentences alone. */
#ifndef SUPERTRAIN_H
#define SUPERTRAIN_H

#include "text/vocab.h"

enum { SUPERTRAIN_BORDER = 0xffff };

/* Sentences as the symbols of base (tokenizer.h), one after another. */
struct supertrain_text {
    uint16_t *cells; /* [n], SUPERTRAIN_BORDER at the start and after each sentence; written to */
    uint32_t n;
};

/* Fills v (its previous contents are not looked at) with a vocabulary of sentences that begins with
 * the merges of base, which bpetrain_run has made: vocab_size tokens, no fewer than base has, or
 * all there are if the sentences yield fewer. Ids are in the order in which tokens are made, and
 * counts 0. vocab_release(v) at the end. -1 only when out of memory. */
MUST_USE int supertrain_run(struct vocab *v, const struct vocab *base, struct supertrain_text *text,
                            uint32_t vocab_size, struct err *e);

#endif
