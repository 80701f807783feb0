#include "support/toytrain.h"

#include "os/pages.h"
#include "os/threads.h"

static void lay_out(struct toytrain *t, size_t rows, const struct toytrain_options *o,
                    struct arena *a)
{
    size_t n = dims_n_floats(&t->dims);
    t->params = arena_alloc(a, n, sizeof *t->params);
    t->gradient = arena_alloc(a, n, sizeof *t->gradient);
    t->tokens = arena_alloc(a, rows, sizeof *t->tokens);
    t->targets = arena_alloc(a, rows, sizeof *t->targets);
    t->pos = arena_alloc(a, rows, sizeof *t->pos);
    t->batch = (struct grad_batch){t->tokens, t->targets, t->pos, rows};
    net_init(&t->net, &t->dims, o->part_rows ? o->part_rows : rows, true, &t->kern,
             pool_threads(t->pool), a);
    grad_init(&t->grad, &t->net, rows, pool_threads(t->pool), a);
    optim_init(&t->optim, &o->optim, &t->dims, &t->kern, o->threads, NULL, 0, a);
}

int toytrain_open(struct toytrain *t, const struct dims *d, size_t rows,
                  const struct toytrain_options *o, struct err *e)
{
    struct arena measure;
    *t = (struct toytrain){.dims = *d};
    kern_init(&t->kern, o->level);
    if (o->cache > 0)
        t->kern.cache = o->cache;
    if (o->bf16)
        kern_use_bf16(&t->kern);
    t->pool = threads_new(o->threads, e);
    if (!t->pool)
        return -1;
    arena_measure(&measure);
    lay_out(t, rows, o, &measure);
    if (arena_init(&t->arena, &pages_memory, measure.used, e))
        return -1;
    lay_out(t, rows, o, &t->arena);
    return 0;
}

void toytrain_close(struct toytrain *t)
{
    threads_free(t->pool);
    arena_release(&t->arena);
    *t = (struct toytrain){0};
}

double toytrain_gradient(struct toytrain *t, bool ternary)
{
    net_load(&t->net, t->pool, t->params, ternary);
    return grad_whole(&t->grad, t->pool, &t->batch, t->gradient);
}

double toytrain_loss(struct toytrain *t, bool ternary)
{
    size_t rows = t->batch.rows;
    float *nll = t->grad.loss.nll;
    double sum = 0;
    net_load(&t->net, t->pool, t->params, ternary);
    net_forward(&t->net, t->pool, t->tokens, t->pos, rows);
    net_nll(&t->net, t->pool, t->targets, rows, nll);
    for (size_t r = 0; r < rows; r++)
        sum += (double)nll[r];
    return sum / (double)rows;
}

double toytrain_step(struct toytrain *t, double lr, uint64_t n)
{
    double norm = optim_norm(&t->optim, t->pool, t->gradient);
    optim_step(&t->optim, t->pool,
               &(struct optim_step){.params = t->params,
                                    .gradient = t->gradient,
                                    .norm = norm,
                                    .lr = lr,
                                    .share = 1,
                                    .number = n});
    return norm;
}
