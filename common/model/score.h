/* score.h - how well a model predicts text: nats over whole stories.
 *
 * A story of n tokens is scored as n + 1 predictions: the first token given EOS, ..., the story's
 * own EOS last; state is reset between stories. Stories are gathered and run together through an
 * engine: the net (score_net.h) or inference (score_infer.h). A story longer than the engine's rows
 * is cut into pieces that repeat the dims_context(d) tokens before them, which gives the same
 * result: exactly, but for attention in the net, whose last bits depend on a row's place in a group
 * (attend.h). What a row gives
 * may thus depend on its run, never on how many runs the engine takes at a time. Sums are in double
 * in story order. */
#ifndef SCORE_H
#define SCORE_H

#include "dims/dims.h"

/* Rows that are run together: nll[r] is to become -ln p(targets[r]) in nats, the model having read
 * tokens[r] at position pos[r] and what stands before it in its sequence: 0 begins one; pos[r] > 0
 * implies pos[r-1] = pos[r] - 1. Ids < V. */
struct score_run {
    size_t rows;
    uint16_t *tokens;
    uint32_t *pos;
    uint16_t *targets;
    float *nll;
};

/* What runs the model. */
struct score_engine {
    const struct dims *dims;
    size_t max_rows; /* of a run, at least score_min_rows */
    size_t max_runs; /* that it takes at a time */
    /* 1 <= n <= max_runs runs, each of 1 to max_rows rows. */
    void (*nll)(void *state, const struct score_run *runs, size_t n);
    void *state;
};

/* Rows without which a long story could make no progress. */
size_t score_min_rows(const struct dims *d);

struct score_sum {
    double nats;       /* sum of -log p over n_tokens predictions */
    uint64_t n_tokens; /* predictions, each story's EOS included */
    uint64_t n_unk;    /* predictions whose target is UNK */
    uint64_t n_stories;
    uint64_t n_chars; /* of the normalised text */
    uint64_t n_bytes;
};

struct score; /* gathers stories */

/* The engine is used (and may be shared with other scores, in turn) until score_free. NULL and *e
 * when out of memory or engine->max_rows is too small. */
struct score *score_new(const struct score_engine *engine, struct err *e);
void score_free(struct score *s); /* NULL is fine */

/* Adds a story: n ids (< V) without EOS, and the size of its text. May run the engine. */
void score_story(struct score *s, const uint16_t *ids, size_t n, uint64_t n_chars,
                 uint64_t n_bytes);

/* Adds ids as they stand: n - 1 predictions, ids[1] given ids[0] and so on; no EOS is added at
 * either end. Counts as a story. */
void score_tokens(struct score *s, const uint16_t *ids, size_t n, uint64_t n_chars,
                  uint64_t n_bytes);

/* Runs what is gathered and returns the sums so far. More stories may follow. */
const struct score_sum *score_finish(struct score *s);

/* The sums of what has run already, without running more: for a progress line. */
const struct score_sum *score_so_far(const struct score *s);

/* total += part. */
void score_sum_add(struct score_sum *total, const struct score_sum *part);

double score_loss(const struct score_sum *s); /* nats per token */
double score_ppl(const struct score_sum *s);  /* exp(loss) */
double score_bpc(const struct score_sum *s);  /* bits per character */
double score_bpb(const struct score_sum *s);  /* bits per byte */
double score_unk(const struct score_sum *s);  /* share of UNK among the predicted tokens */

#endif
