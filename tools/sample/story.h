/* story.h - a story being told: its prompt, what was drawn, and how much of that may be shown. */
#ifndef STORY_H
#define STORY_H

#include "sample/prompts.h"
#include "sample/stop.h"
#include "text/normalize.h"
#include "text/tokenizer.h"

enum story_end {
    STORY_GOING,
    STORY_EOS,    /* the model ended it */
    STORY_LENGTH, /* as many tokens as may be drawn */
    STORY_STOP    /* a stop text was drawn */
};
extern const char *const story_end_names[4]; /* "going", "eos", "length", "stop" */

struct story {
    uint64_t stream;        /* number among the stories of its prompt: of the random numbers too */
    struct text_buf raw;    /* the prompt as given */
    struct text_buf prompt; /* the same normalised: as the model reads it */
    struct token_buf prompt_ids;
    size_t n_unknown;     /* tokens of the prompt that are UNK */
    uint64_t n_invalid;   /* U+FFFD put into the prompt for invalid UTF-8 */
    uint64_t n_tokens;    /* drawn, EOS left out */
    struct token_buf ids; /* the tokens drawn, if they are kept */
    float *logprobs;      /* [ids.n] natural logs of their probabilities */
    size_t n_logprobs_room;
    struct text_buf text; /* drawn and not yet dropped */
    size_t ready;         /* bytes of text that no stop text can take back */
    uint32_t *stop_state; /* [stop->n] */
    enum story_end end;
    double seconds; /* spent drawing, reading the prompt left out */

    /* of queue.h */
    struct story *next;
    size_t teller;
    bool ended; /* the teller has finished it */
    bool begun; /* its prompt was shown */
};

/* A story without a prompt, for stop texts that outlive it. NULL when out of memory. */
struct story *story_new(const struct stop *stop);
void story_free(struct story *s); /* NULL is fine */

/* Starts again with a prompt, which is copied; keeps the memory. */
MUST_USE int story_start(struct story *s, const struct stop *stop, const struct prompt *p,
                         struct err *e);

/* Normalises the prompt as the vocabulary says and encodes it. */
MUST_USE int story_read_prompt(struct story *s, struct vocab_form form, const struct tokenizer *t,
                               struct tokenizer_cache *cache, struct err *e);

/* Adds a token drawn and its text; logprob is kept with the id if `keep`. Sets end to STORY_STOP
 * and cuts the text if that completes a stop text. */
MUST_USE int story_add(struct story *s, const struct stop *stop, uint16_t id, float logprob,
                       bool keep, struct vocab_bytes text, struct err *e);

/* Ends it: all text left may be shown. */
void story_finish(struct story *s, enum story_end end);

/* Drops the text that is ready, since it was shown. */
void story_drop_ready(struct story *s);

#endif
