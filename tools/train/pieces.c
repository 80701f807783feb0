#include "train/pieces.h"

#include <assert.h>
#include <string.h>

#include "dims/dims.h"

/* ---- order ----------------------------------------------------------------------------------- */

static uint64_t code_of(uint64_t first, uint64_t n_rows)
{
    return first * PIECES_MAX_ROWS + n_rows - 1;
}

void pieces_init(struct pieces *p, const struct shard *s, size_t T, struct arena *a)
{
    assert(T <= PIECES_MAX_ROWS);
    *p = (struct pieces){.shard = s, .T = T};
    for (uint64_t i = 0; i < s->n_stories; i++)
        p->n += DIV_UP(s->stories[i + 1] - s->stories[i], T);
    p->order = arena_alloc(a, p->n, sizeof *p->order);
}

static void list_pieces(struct pieces *p)
{
    const uint64_t *stories = p->shard->stories;
    size_t n = 0;
    for (uint64_t i = 0; i < p->shard->n_stories; i++)
        for (uint64_t first = stories[i]; first < stories[i + 1]; first += p->T)
            p->order[n++] = code_of(first, MIN(p->T, stories[i + 1] - first));
}

static void begin_next(struct pieces *p)
{
    assert(p->next < p->n);
    uint64_t code = p->order[p->next++];
    p->first = code / PIECES_MAX_ROWS;
    p->left = (size_t)(code % PIECES_MAX_ROWS) + 1;
}

void pieces_start(struct pieces *p, struct rng *rng, uint64_t n_rows)
{
    list_pieces(p);
    for (size_t i = p->n; i > 1; i--) {
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

static void copy_rows(const uint16_t *stream, uint64_t first, size_t n, uint16_t *tokens,
                      uint16_t *targets, uint32_t *pos)
{
    memcpy(targets, stream + first, n * sizeof *targets);
    tokens[0] = first > 0 ? stream[first - 1] : DIMS_EOS;
    memcpy(tokens + 1, stream + first, (n - 1) * sizeof *tokens);
    for (size_t r = 0; r < n; r++)
        pos[r] = (uint32_t)r;
}

void pieces_take(struct pieces *p, size_t n, uint16_t *tokens, uint16_t *targets, uint32_t *pos)
{
    for (size_t row = 0, count; row < n; row += count) {
        if (p->left == 0)
            begin_next(p);
        count = MIN(n - row, p->left);
        copy_rows(p->shard->tokens, p->first, count, tokens + row, targets + row, pos + row);
        p->first += count;
        p->left -= count;
    }
}
