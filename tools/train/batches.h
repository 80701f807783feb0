/* batches.h - the sequences of training steps in shuffled order.
 *
 * A batch of B windows is B*T rows: a token to be read, the one to be predicted from it, and its
 * position in its sequence. What comes depends on the stories and their order, T, B, kind and seed
 * alone. An epoch ends when fewer windows are left than a step takes. */
#ifndef BATCHES_H
#define BATCHES_H

#include "train/pieces.h"

enum batches_kind {
    /* The token stream cut at every T+1 tokens into sequences that begin anywhere; the last rest is
     * left out, and the windows are shuffled. FlashLM v4's. */
    BATCHES_STREAM,
    /* Each piece of a story (pieces.h) is a sequence: a story is read from its beginning, as eval
     * and sample read it. The batch alone is full, and its last piece cut; the rest begins the next
     * batch. */
    BATCHES_STORY,
};
extern const char *const batches_names[]; /* in their order, NULL after the last */

/* The kind of this name, or -1. */
int batches_find(const char *name);

struct batches {
    const struct shardset *set;
    int kind; /* enum batches_kind */
    size_t T;
    size_t per_step;      /* windows of one optimiser step */
    size_t n_shards;      /* of the set, that this epoch is made of */
    size_t n_windows;     /* of this epoch */
    uint32_t *order;      /* of BATCHES_STREAM: [n_windows] */
    struct pieces pieces; /* of BATCHES_STORY */
    struct rng start;     /* the generator as it was before this epoch's shuffle */
    struct rng next;      /* and after it */
    uint64_t epoch;       /* from 0 */
    uint64_t position;    /* windows of this epoch taken */
};

/* Windows of T+1 tokens that a stream of n tokens gives. */
size_t batches_windows(uint64_t n_tokens, size_t T);

/* Windows of an epoch over n tokens. */
size_t batches_per_epoch(uint64_t n_tokens, int kind, size_t T);

/* Lays out memory; needs batches_per_epoch >= per_step, and below 2^32. */
void batches_init(struct batches *b, const struct shardset *s, int kind, size_t T, size_t per_step,
                  struct arena *a);

/* Begins epoch `epoch` whose shuffle starts from `rng`, with `position` windows taken. It is made
 * of the first n_shards of the set, those after it of all: stories that are added while a run is
 * interrupted join in the epoch after. */
void batches_start(struct batches *b, const struct rng *rng, uint64_t epoch, uint64_t position,
                   size_t n_shards);

/* Windows of an epoch over the first n_shards. */
size_t batches_windows_of(const struct batches *b, size_t n_shards);

/* Of an epoch over all shards. */
size_t batches_steps_per_epoch(const struct batches *b);

/* To be called before each step: begins the next epoch when this one has too few windows left. */
void batches_begin_step(struct batches *b);

/* Takes `count` windows: [count][T], pos as net_forward takes it. */
void batches_take(struct batches *b, size_t count, uint16_t *tokens, uint16_t *targets,
                  uint32_t *pos);

#endif
