/* batches.h - training windows in shuffled order.
 *
 * The token stream is cut into windows of T+1 tokens that do not overlap (T inputs, T targets); a
 * last shorter one is left out. Every epoch visits them in a new order, which depends on the seed
 * alone. An epoch ends when fewer windows are left than a step takes. */
#ifndef BATCHES_H
#define BATCHES_H

#include "base/arena.h"
#include "base/rng.h"
#include "format/shard.h"

struct batches {
    const uint16_t *stream;
    size_t T;
    size_t per_step; /* windows of one optimiser step */
    size_t n_windows;
    uint32_t *order;   /* [n_windows] of this epoch */
    struct rng start;  /* the generator as it was before this epoch's shuffle */
    struct rng next;   /* and after it */
    uint64_t epoch;    /* from 0 */
    uint64_t position; /* windows of this epoch taken */
};

/* Windows a stream of n tokens gives. */
size_t batches_windows(uint64_t n_tokens, size_t T);

/* Lays out memory; needs batches_windows >= per_step, and below 2^32. */
void batches_init(struct batches *b, const struct shard *s, size_t T, size_t per_step,
                  struct arena *a);

/* Begins epoch `epoch` whose shuffle starts from `rng`, with `position` windows taken. */
void batches_start(struct batches *b, const struct rng *rng, uint64_t epoch, uint64_t position);

size_t batches_steps_per_epoch(const struct batches *b);

/* To be called before each step: begins the next epoch when this one has too few windows left. */
void batches_begin_step(struct batches *b);

/* Takes `count` windows: tokens and targets [count][T]. */
void batches_take(struct batches *b, size_t count, uint16_t *tokens, uint16_t *targets);

#endif
