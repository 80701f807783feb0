#include "train/pieces.h"

#include <assert.h>
#include <string.h>

#include "dims/dims.h"

/* ---- order ----------------------------------------------------------------------------------- */

static uint64_t code_of(uint64_t first, uint64_t n_rows)
{
    return first * PIECES_MAX_ROWS + n_rows - 1;
}

void pieces_init(struct pieces *p, const struct shardset *s, size_t T, struct arena *a)
{
    size_t n = 0;
    assert(T <= PIECES_MAX_ROWS);
    for (size_t k = 0; k < s->n; k++) {
        const uint64_t *stories = s->shards[k].stories;
        for (uint64_t i = 0; i < s->shards[k].n_stories; i++)
            n += DIV_UP(stories[i + 1] - stories[i], T);
    }
    *p = (struct pieces){.set = s, .T = T};
    p->order = arena_alloc(a, n, sizeof *p->order);
}

static void list_pieces(struct pieces *p, size_t n_shards)
{
    size_t n = 0;
    for (size_t k = 0; k < n_shards; k++) {
        const struct shard *s = &p->set->shards[k];
        uint64_t base = p->set->first_token[k];
        for (uint64_t i = 0; i < s->n_stories; i++)
            for (uint64_t at = s->stories[i]; at < s->stories[i + 1]; at += p->T)
                p->order[n++] = code_of(base + at, MIN(p->T, s->stories[i + 1] - at));
    }
    p->n = n;
}

static size_t rows_of(uint64_t code)
{
    return (size_t)(code % PIECES_MAX_ROWS) + 1;
}

static void begin_next(struct pieces *p)
{
    assert(p->next < p->n);
    uint64_t code = p->order[p->next++];
    p->first = code / PIECES_MAX_ROWS;
    p->left = rows_of(code);
}

size_t pieces_fit(const struct pieces *p, size_t most)
{
    size_t n = p->left;
    if (n > most)
        return 0;
    for (size_t i = p->next; i < p->n && rows_of(p->order[i]) <= most - n; i++)
        n += rows_of(p->order[i]);
    return n;
}

void pieces_start(struct pieces *p, struct rng *rng, uint64_t n_rows, size_t n_shards)
{
    list_pieces(p, n_shards);
    for (size_t i = rng ? p->n : 0; i > 1; i--) {
        size_t j = rng_below(rng, i);
        uint64_t other = p->order[j];
        p->order[j] = p->order[i - 1];
        p->order[i - 1] = other;
    }
    p->next = 0;
    p->left = 0;
    while (n_rows > 0) {
        if (p->left == 0)
            begin_next(p);
        size_t n = MIN(n_rows, p->left);
        p->first += n;
        p->left -= n;
        n_rows -= n;
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void copy_rows(const struct shardset *s, uint64_t first, size_t n, uint16_t *tokens,
                      uint16_t *targets, uint32_t *pos)
{
    shardset_copy(s, first, n, targets);
    tokens[0] = DIMS_EOS;
    if (first > 0)
        shardset_copy(s, first - 1, 1, tokens);
    memcpy(tokens + 1, targets, (n - 1) * sizeof *tokens);
    for (size_t r = 0; r < n; r++)
        pos[r] = (uint32_t)r;
}

void pieces_take(struct pieces *p, size_t n, uint16_t *tokens, uint16_t *targets, uint32_t *pos)
{
    for (size_t row = 0, count; row < n; row += count) {
        if (p->left == 0)
            begin_next(p);
        count = MIN(n - row, p->left);
        copy_rows(p->set, p->first, count, tokens + row, targets + row, pos + row);
        p->first += count;
        p->left -= count;
    }
}
