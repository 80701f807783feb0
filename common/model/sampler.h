/* sampler.h - from logits to the next token. */
#ifndef SAMPLER_H
#define SAMPLER_H

#include "base/arena.h"
#include "base/rng.h"

struct sampler_options {
    float temperature; /* 0 is greedy (highest logit, lowest id on a tie); else logits / temperature
                        */
    int top_k;         /* keep the k highest logits; 0 keeps all */
    float top_p; /* keep the smallest set of highest probability that reaches p; 1 keeps all */
    float min_p; /* drop tokens below min_p times the highest probability; 0 keeps all */
    float repeat_penalty; /* logits of tokens among the last 64 divided (positive) or multiplied
                             (negative) by it (Keskar et al. 2019, CTRL, section 4.1); 1 is off */
};

/* Temperature 0.8, top-k 50, the rest off. */
struct sampler_options sampler_defaults(void);

struct sampler {
    struct sampler_options options;
    struct rng rng;
    size_t n_vocab;
    uint16_t recent[64];                  /* ring of the last tokens */
    uint64_t n_recent;                    /* tokens told so far */
    struct sampler_candidate *candidates; /* [V] scratch */
};

/* Filters apply in the order penalty, temperature, top-k, top-p, min-p. PAD, UNK and BOS are never
 * drawn. */
void sampler_init(struct sampler *s, const struct sampler_options *o, size_t n_vocab, uint64_t seed,
                  struct arena *a);

/* Starts a new story: forgets recent tokens and reseeds with stream `stream` of the seed. */
void sampler_reset(struct sampler *s, uint64_t seed, uint64_t stream);

/* Draws a token; logits [V] are read only. *logprob, if not NULL, gets the natural log of its
 * probability under the plain softmax of the logits. */
uint16_t sampler_draw(struct sampler *s, const float *logits, float *logprob);

/* Tells the sampler of a token that stands in the text (a prompt's, or one just drawn). */
void sampler_accept(struct sampler *s, uint16_t token);

#endif
