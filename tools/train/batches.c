#include "train/batches.h"

#include <string.h>

const char *const batches_names[] = {"stream", "story", NULL};

int batches_find(const char *name)
{
    for (int i = 0; batches_names[i]; i++)
        if (strcmp(batches_names[i], name) == 0)
            return i;
    return -1;
}

size_t batches_windows(uint64_t n_tokens, size_t T)
{
    return (size_t)(n_tokens / (T + 1));
}

size_t batches_per_epoch(const struct shard *s, int kind, size_t T)
{
    return kind == BATCHES_STREAM ? batches_windows(s->n_tokens, T) : (size_t)(s->n_tokens / T);
}

void batches_init(struct batches *b, const struct shard *s, int kind, size_t T, size_t per_step,
                  struct arena *a)
{
    *b = (struct batches){.stream = s->tokens, .kind = kind, .T = T, .per_step = per_step};
    b->n_windows = batches_per_epoch(s, kind, T);
    if (kind == BATCHES_STREAM)
        b->order = arena_alloc(a, b->n_windows, sizeof *b->order);
    else
        pieces_init(&b->pieces, s, T, a);
}

void batches_start(struct batches *b, const struct rng *rng, uint64_t epoch, uint64_t position)
{
    b->start = *rng;
    b->next = *rng;
    b->epoch = epoch;
    b->position = position;
    if (b->kind == BATCHES_STREAM) {
        for (size_t i = 0; i < b->n_windows; i++)
            b->order[i] = (uint32_t)i;
        rng_shuffle(&b->next, b->order, b->n_windows);
        return;
    }
    pieces_start(&b->pieces, &b->next, position * b->T);
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

void batches_take(struct batches *b, size_t count, uint16_t *tokens, uint16_t *targets,
                  uint32_t *pos)
{
    size_t T = b->T;
    size_t position = b->position;
    b->position += count;
    if (b->kind == BATCHES_STORY) {
        pieces_take(&b->pieces, count * T, tokens, targets, pos);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const uint16_t *window = b->stream + b->order[position + i] * (T + 1);
        memcpy(tokens + i * T, window, T * sizeof *tokens);
        memcpy(targets + i * T, window + 1, T * sizeof *targets);
        for (size_t r = 0; r < T; r++)
            pos[i * T + r] = (uint32_t)r;
    }
}
