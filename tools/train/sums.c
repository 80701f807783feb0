#include "train/sums.h"

#include <assert.h>

enum { CHUNK = 16384 }; /* floats of one task */

void sums_init(struct sums *s, size_t n, uint64_t max_leaves, struct arena *a)
{
    *s = (struct sums){.n = n, .depth = 1};
    while (max_leaves >> s->depth)
        s->depth++;
    assert(s->depth <= SUMS_MAX_DEPTH);
    for (size_t i = 0; i < s->depth; i++)
        s->part[i].x = arena_alloc(a, n, sizeof(float));
}

void sums_start(struct sums *s)
{
    s->top = 0;
}

float *sums_leaf(struct sums *s)
{
    assert(s->top < s->depth);
    return s->part[s->top].x;
}

struct job {
    const struct kern *kern;
    const float *x;
    float *y;
    size_t n;
};

static void add_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct job *j = context;
    size_t first = task * CHUNK;
    j->kern->add(j->x + first, MIN((size_t)CHUNK, j->n - first), j->y + first);
}

static void add(const struct kern *k, struct pool *p, const float *x, float *y, size_t n)
{
    struct job j = {k, x, y, n};
    pool_run(p, add_task, &j, DIV_UP(n, (size_t)CHUNK));
}

/* Counts the last part to the one before it. */
static void join(struct sums *s)
{
    struct sums_part *right = &s->part[--s->top];
    struct sums_part *left = right - 1;
    left->loss += right->loss;
    left->n_leaves += right->n_leaves;
}

/* Adds the last part to the one before it. */
static void merge(struct sums *s, const struct kern *k, struct pool *p)
{
    add(k, p, s->part[s->top - 1].x, s->part[s->top - 2].x, s->n);
    join(s);
}

void sums_add(struct sums *s, const struct kern *k, struct pool *p, double loss)
{
    struct sums_part *leaf = &s->part[s->top++];
    leaf->loss = loss;
    leaf->n_leaves = 1;
    while (s->top > 1 && s->part[s->top - 2].n_leaves == s->part[s->top - 1].n_leaves)
        merge(s, k, p);
}

void sums_fold(struct sums *s, const struct kern *k, struct pool *p, size_t first, size_t n)
{
    for (size_t i = s->top; i > 0; i--)
        add(k, p, s->part[i].x + first, s->part[i - 1].x + first, n);
}

const struct sums_part *sums_close(struct sums *s, double loss)
{
    struct sums_part *leaf = &s->part[s->top++];
    leaf->loss = loss;
    leaf->n_leaves = 1;
    while (s->top > 1) {
        assert(s->part[s->top - 2].n_leaves == s->part[s->top - 1].n_leaves);
        join(s);
    }
    return &s->part[0];
}

const struct sums_part *sums_total(struct sums *s, const struct kern *k, struct pool *p)
{
    assert(s->top > 0);
    while (s->top > 1)
        merge(s, k, p);
    return &s->part[0];
}
