#include "support/toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/rng.h"

struct dims toy_dims(int V, int D, int H, int K, int L, const char *dilation)
{
    struct err e;
    struct dims d = {.V = V, .D = D, .H = H, .K = K, .L = L, .T = 32};
    assert_int_equal(dims_parse_dilation(&d, dilation, &e), 0);
    assert_int_equal(dims_check(&d, &e), 0);
    return d;
}

float *toy_params(const struct dims *d, uint64_t seed)
{
    float *params = calloc(dims_n_floats(d), sizeof *params);
    assert_non_null(params);
    struct rng r;
    rng_seed(&r, seed, 0);
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        bool scale = t.rank == 1;
        for (size_t k = 0; k < t.n; k++)
            params[t.offset + k] = (float)(0.5 * rng_normal(&r) + (scale ? 1 : 0));
    }
    return params;
}

void toy_open(struct toy *t, const struct dims *d, float *params, uint64_t seed, size_t max_rows,
              int n_threads, enum cpu_level level)
{
    struct err e;
    *t = (struct toy){.dims = *d};
    kern_init(&t->kern, level);
    t->pool = pool_new(n_threads, &e);
    assert_non_null(t->pool);
    t->params = params ? params : toy_params(d, seed);
    assert_int_equal(model_from_params(&t->model, d, t->params, false, &t->kern, &e), 0);

    struct arena measure;
    arena_measure(&measure);
    net_init(&t->net, d, max_rows, false, &t->kern, n_threads, &measure);
    assert_int_equal(arena_init(&t->arena, measure.used, &e), 0);
    net_init(&t->net, d, max_rows, false, &t->kern, n_threads, &t->arena);
    net_load(&t->net, t->pool, t->params, false);
}

void toy_close(struct toy *t)
{
    model_release(&t->model);
    arena_release(&t->arena);
    pool_free(t->pool);
    free(t->params);
    *t = (struct toy){0};
}
