#include "train/batches.h"

#include <string.h>

size_t batches_windows(uint64_t n_tokens, size_t T)
{
    return (size_t)(n_tokens / (T + 1));
}

void batches_init(struct batches *b, const struct shard *s, size_t T, size_t per_step,
                  struct arena *a)
{
    *b = (struct batches){.stream = s->tokens, .T = T, .per_step = per_step};
    b->n_windows = batches_windows(s->n_tokens, T);
    b->order = arena_alloc(a, b->n_windows, sizeof *b->order);
}

void batches_start(struct batches *b, const struct rng *rng, uint64_t epoch, uint64_t position)
{
    b->start = *rng;
    b->next = *rng;
    b->epoch = epoch;
    b->position = position;
    for (size_t i = 0; i < b->n_windows; i++)
        b->order[i] = (uint32_t)i;
    rng_shuffle(&b->next, b->order, b->n_windows);
}

size_t batches_steps_per_epoch(const struct batches *b)
{
    return b->n_windows / b->per_step;
}

void batches_begin_step(struct batches *b)
{
    if (b->position + b->per_step > b->n_windows) {
        struct rng next = b->next;
        batches_start(b, &next, b->epoch + 1, 0);
    }
}

void batches_take(struct batches *b, size_t count, uint16_t *tokens, uint16_t *targets)
{
    for (size_t i = 0; i < count; i++) {
        const uint16_t *window = b->stream + b->order[b->position++] * (b->T + 1);
        memcpy(tokens + i * b->T, window, b->T * sizeof *tokens);
        memcpy(targets + i * b->T, window + 1, b->T * sizeof *targets);
    }
}
