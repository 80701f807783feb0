/* pretokens.h - the training text as the trainers of vocabularies see it: distinct pre-tokens
 * (text/pretok.h) and how often each occurs. */
#ifndef PRETOKENS_H
#define PRETOKENS_H

#include "base/base.h"

struct pretoken {
    const unsigned char *bytes;
    uint32_t n;          /* > 0 */
    uint64_t count;      /* occurrences in all training stories */
    uint64_t count_head; /* in the first GPT2VOCAB_HEAD_STORIES of them (gpt2vocab.h) */
};

struct pretokens {
    const struct pretoken *items; /* [n], distinct, in any order */
    size_t n;
    uint64_t n_stories; /* each is followed by one EOS when encoded */
};

#endif
