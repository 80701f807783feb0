#include "support/toynet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "os/pages.h"
#include "os/threads.h"
#include "support/toy.h"

void toynet_open(struct toynet *t, const struct dims *d, float *params, uint64_t seed,
                 size_t max_rows, int n_threads, const struct cpu_level *level)
{
    struct err e;
    *t = (struct toynet){.dims = *d};
    kern_init(&t->kern, level);
    t->pool = threads_new(n_threads, &e);
    assert_non_null(t->pool);
    t->params = params ? params : toy_params(d, seed);
    assert_int_equal(model_from_params(&t->model, d, t->params, false, &t->kern, &e), 0);

    struct arena measure;
    arena_measure(&measure);
    net_init(&t->net, d, max_rows, false, &t->kern, n_threads, &measure);
    assert_int_equal(arena_init(&t->arena, &pages_memory, measure.used, &e), 0);
    net_init(&t->net, d, max_rows, false, &t->kern, n_threads, &t->arena);
    net_load(&t->net, t->pool, t->params, false);
}

void toynet_close(struct toynet *t)
{
    model_release(&t->model);
    arena_release(&t->arena);
    threads_free(t->pool);
    free(t->params);
    *t = (struct toynet){0};
}
