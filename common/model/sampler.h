/* sampler.h - from logits to the next token. */
#ifndef SAMPLER_H
#define SAMPLER_H

#include "base/arena.h"
#include "base/rng.h"
#include "kern/kern.h"

/* All numbers are finite. */
struct sampler_options {
    float temperature;    /* >= 0; logits are divided by it; 0 is greedy: the highest, of those that
                             tie the lowest id */
    int top_k;            /* >= 0; keep the k highest logits; 0 keeps all */
    float top_p;          /* 0..1; keep the smallest set of highest probability that reaches p; 1
                             keeps all */
    float min_p;          /* 0..1; drop tokens below min_p times the highest probability; 0 keeps
                             all */
    float repeat_penalty; /* > 0; logits of tokens among the last 64 are divided (positive) or
                             multiplied (negative) by it (Keskar et al. 2019, CTRL, section 4.1); 1
                             is off */
};

/* Temperature 0.8, top-k 50, the rest off. */
struct sampler_options sampler_defaults(void);

/* One story's: small, copied at will. */
struct sampler {
    struct sampler_options options;
    struct rng rng;
    uint16_t recent[64]; /* ring of the last tokens */
    uint64_t n_recent;   /* tokens told so far */
};

/* Working memory of draws: one for each thread, shared by all samplers that draw there. */
struct sampler_scratch {
    const struct kern *kern;
    size_t n_vocab;
    float *logits;     /* [V] */
    float *weights;    /* [V] */
    uint16_t *ids;     /* [V] candidates, in order */
    uint64_t *keys[2]; /* [V] */
};

/* Filters apply in the order penalty, temperature, top-k, top-p, min-p. PAD, UNK and BOS are never
 * drawn. The sampler begins as sampler_reset(s, seed, 0) leaves it. */
void sampler_init(struct sampler *s, const struct sampler_options *o, uint64_t seed);

/* Memory from the arena; `k` must outlive the scratch and is only read. */
void sampler_scratch_init(struct sampler_scratch *w, const struct kern *k, size_t n_vocab,
                          struct arena *a);

/* Starts a new story: forgets recent tokens and reseeds with stream `stream` of the seed. */
void sampler_reset(struct sampler *s, uint64_t seed, uint64_t stream);

/* Draws a token; logits [V] are read only. *logprob, if not NULL, gets the natural log of its
 * probability under the plain softmax of the logits. The same sampler and logits give the same
 * token and logprob on every level of kernels, whatever the caller's floating-point mode. */
uint16_t sampler_draw(struct sampler *s, struct sampler_scratch *w, const float *logits,
                      float *logprob);

/* How many of the highest logits, from the first id that may be drawn (DIMS_EOS) on, a draw without
 * logprob depends on: any below them may stand for the others. 0: all. */
size_t sampler_reach(const struct sampler_options *o);

/* Notes a token of the text (a prompt's, or one just drawn). */
void sampler_accept(struct sampler *s, uint16_t token);

#endif
