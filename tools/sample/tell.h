/* tell.h - tells stories: a prompt in, tokens drawn one by one, text out as it is made. */
#ifndef TELL_H
#define TELL_H

#include "bolt/any.h"
#include "cli/cli.h"
#include "model/sampler.h"
#include "model/step.h"
#include "text/normalize.h"

struct tell_options {
    struct sampler_options sampler;
    uint64_t max_tokens; /* drawn at most, > 0; the prompt's are not counted */
    uint64_t seed;
};

/* A model ready to tell. */
struct tell {
    struct tell_options options;
    struct modelfile bolt;
    struct kern kern;
    struct arena arena;
    struct step step;
    struct sampler sampler;
    struct sampler_scratch scratch;
    struct tokenizer_cache *cache;
    struct text_buf prompt; /* of the story at hand: normalised */
    struct token_buf prompt_ids;
    struct token_buf story; /* tokens drawn, EOS left out */
    struct text_buf text;   /* scratch for JSON */
    bool ended;             /* the story ended with EOS, not by max_tokens */
    double seconds;         /* spent drawing, the prompt left out */
    bool terminal;          /* standard output is one: control characters are made harmless */
    bool streams;           /* it is no regular file: every token is flushed */
};

/* Opens the model (any_open) and prepares it. tell_close in any case. */
MUST_USE int tell_open(struct tell *t, const struct tell_options *o, const char *model,
                       const char *vocab, enum cpu_level level, struct err *e);
void tell_close(struct tell *t);

/* Tells story number `stream` of a prompt: it depends on the model, the options, the prompt and
 * that number only, not on stories told before. The prompt is normalised as the vocabulary says,
 * which trims white space at both ends; an empty one begins a story. Unless `silent`, the prompt
 * and every token are written to standard output as they come, and a newline after the last. */
MUST_USE int tell_story(struct tell *t, const char *prompt, size_t n, uint64_t stream, bool silent,
                        struct err *e);

/* Writes the story just told as one JSON object on standard output. */
MUST_USE int tell_json(struct tell *t, uint64_t stream, struct err *e);

#endif
