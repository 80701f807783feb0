/* vocabbuild.h - the last step of both ways to a vocabulary: counting the tokens of the encoded
 * corpus, putting them in order, and making a vocabulary that owns its bytes. */
#ifndef VOCABBUILD_H
#define VOCABBUILD_H

#include "prep/pretokens.h"
#include "text/vocab.h"

/* Counts the tokens of the encoded words: adds to counts[id] for the whole corpus and, unless NULL,
 * to counts_head[id] for its head; both have v->n_tokens entries, zeroed by the caller. */
MUST_USE int vocabbuild_count(const struct vocab *v, const struct pretokens *words,
                              uint64_t *counts, uint64_t *counts_head, struct err *e);

/* Sorts tokens into descending count, ties by bytes. */
void vocabbuild_sort(struct vocab_token *tokens, size_t n);

/* Fills v (its previous contents are ignored) with the specials, then the n tokens as
 * ordered, then the merges. All bytes are copied. `specials` are the specials' counts. Types are
 * set from the lengths. */
MUST_USE int vocabbuild_make(struct vocab *v, const uint64_t specials[VOCAB_N_SPECIAL],
                             const struct vocab_token *tokens, uint32_t n,
                             const struct vocab_merge *merges, uint32_t n_merges, struct err *e);

#endif
