/* teller.h - telling stories token by token: a workspace for a thread, and any number of stories.
 *
 * A story has read nothing, or some tokens, and holds one more, its newest, which is read when the
 * logits after it are wanted: so the newest tokens of many stories are read as one product of many
 * rows, and a prompt's in as few as there can be. What is drawn depends on the story only, since
 * each has its own stream and random numbers, and a row's logits are the same bits in any batch.
 *
 *     teller_begin(&story, &options, seed, 0);
 *     teller_take(&teller, &story, id);                   for every token of a prompt
 *     while ((id = teller_draw(&teller, &story, teller_logits(&teller, &story), NULL)) !=
 * VOCAB_EOS) teller_take(&teller, &story, id);
 *
 * Ids here are tokens below V; nothing is known of their text. */
#ifndef TELLER_H
#define TELLER_H

#include "model/infer.h"
#include "model/sampler.h"

struct teller_story {
    struct infer_stream stream;
    struct sampler sampler;
    uint16_t token; /* the newest */
    bool read;      /* the stream has read it, or it stands in a teller's rows */
};

struct teller {
    struct infer infer;
    struct sampler_scratch scratch;
    float *logits;                     /* [MIN(max_rows, TELLER_HEAD_ROWS)][V] */
    struct infer_row rows[INFER_ROWS]; /* to be read next */
    size_t n_rows;
};

/* Rows whose logits are made at once: few enough for all of them to stay in the cache. */
enum { TELLER_HEAD_ROWS = 8 };

/* Memory from the arena, for up to max_rows (1 to INFER_ROWS) rows at a time. */
void teller_init(struct teller *t, const struct infer_weights *w, size_t max_rows, struct arena *a);
void teller_story_init(struct teller_story *s, const struct dims *d, struct arena *a);

/* Puts a story at its beginning, where EOS, which every story follows, is its newest token. Rows of
 * it must not wait in a teller (teller_drop). */
void teller_begin(struct teller_story *s, const struct sampler_options *o, uint64_t seed,
                  uint64_t stream);

/* A token follows, of the text or just drawn: the one before it joins the rows to be read, unless
 * it was read. Penalties see every token but EOS. */
void teller_take(struct teller *t, struct teller_story *s, uint16_t token);

/* The same for n >= 1 tokens, of which all but the last are read, by many threads. */
void teller_take_long(struct teller *t, struct infer_readers *r, struct teller_story *s,
                      const uint16_t *tokens, size_t n);

/* Adds the newest token to the rows, if it is not read; first reads those waiting if there is no
 * room.
 */
void teller_add(struct teller *t, struct teller_story *s);

/* Reads the rows waiting and returns how many there were: for infer_head, in the order added. */
size_t teller_read(struct teller *t);

/* Forgets the rows waiting. */
void teller_drop(struct teller *t);

/* Reads all rows waiting and then the newest token of s, which is not read yet; its logits [V],
 * which are the teller's. */
float *teller_logits(struct teller *t, struct teller_story *s);

/* Draws the token after the newest from its logits, as sampler_draw. It is not taken. */
uint16_t teller_draw(struct teller *t, struct teller_story *s, const float *logits, float *logprob);

#endif
