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

size_t batches_per_epoch(uint64_t n_tokens, int kind, size_t T)
{
    return kind == BATCHES_STREAM ? batches_windows(n_tokens, T) : (size_t)(n_tokens / T);
}

size_t batches_windows_of(const struct batches *b, size_t n_shards)
{
    return batches_per_epoch(b->set->first_token[n_shards], b->kind, b->T);
}

void batches_init(struct batches *b, const struct shardset *s, int kind, size_t T, size_t per_step,
                  struct arena *a)
{
    *b = (struct batches){.set = s, .kind = kind, .T = T, .per_step = per_step};
    if (kind == BATCHES_STREAM)
        b->order = arena_alloc(a, batches_windows_of(b, s->n), sizeof *b->order);
    else
        pieces_init(&b->pieces, s, T, a);
}

void batches_start(struct batches *b, const struct rng *rng, uint64_t epoch, uint64_t position,
                   size_t n_shards)
{
    b->start = *rng;
    b->next = *rng;
    b->epoch = epoch;
    b->position = position;
    b->n_shards = n_shards;
    b->n_windows = batches_windows_of(b, n_shards);
    if (b->kind == BATCHES_STREAM) {
        for (size_t i = 0; i < b->n_windows; i++)
            b->order[i] = (uint32_t)i;
        rng_shuffle(&b->next, b->order, b->n_windows);
        return;
    }
    pieces_start(&b->pieces, &b->next, position * b->T, n_shards);
}

size_t batches_steps_per_epoch(const struct batches *b)
{
    return batches_windows_of(b, b->set->n) / b->per_step;
}

void batches_begin_step(struct batches *b)
{
    if (b->position + b->per_step > b->n_windows) {
        struct rng next = b->next;
        batches_start(b, &next, b->epoch + 1, 0, b->set->n);
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
        uint64_t first = (uint64_t)b->order[position + i] * (T + 1);
        shardset_copy(b->set, first, T, tokens + i * T);
        shardset_copy(b->set, first + 1, T, targets + i * T);
        for (size_t r = 0; r < T; r++)
            pos[i * T + r] = (uint32_t)r;
    }
}
