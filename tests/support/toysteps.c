#include "support/toysteps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "os/pages.h"
#include "os/threads.h"
#include "support/toy.h"

void toysteps_open(struct toysteps *t, const struct dims *d, const struct optim_settings *s,
                   struct toysteps_how how)
{
    struct err e;
    struct arena measure;
    *t = (struct toysteps){.dims = *d};
    kern_init(&t->kern, how.level);
    if (how.bf16)
        kern_use_bf16(&t->kern);
    t->pool = threads_new(how.threads, &e);
    assert_non_null(t->pool);
    t->params = toy_params(&t->dims, 1);
    arena_measure(&measure);
    optim_init(&t->optim, s, &t->dims, &t->kern, how.threads, NULL, 0, &measure);
    assert_int_equal(arena_init(&t->arena, &pages_memory, measure.used, &e), 0);
    optim_init(&t->optim, s, &t->dims, &t->kern, how.threads, NULL, 0, &t->arena);
    memset(t->optim.scratch, 0xff, t->optim.scratch_bytes); /* NaN: nobody may rely on zeroes */
}

void toysteps_close(struct toysteps *t)
{
    free(t->params);
    arena_release(&t->arena);
    threads_free(t->pool);
}

void toysteps_step(struct toysteps *t, const float *gradient, double norm, double lr, double share,
                   uint64_t number)
{
    struct optim_step s = {.params = t->params,
                           .gradient = gradient,
                           .norm = norm,
                           .lr = lr,
                           .share = share,
                           .number = number};
    optim_step(&t->optim, t->pool, &s);
}

float *toysteps_gradient(const struct toysteps *t, uint64_t number)
{
    return toy_params(&t->dims, 100 + number);
}

void toysteps_run(struct toysteps *t, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        float *g = toysteps_gradient(t, number);
        toysteps_step(t, g, optim_norm(&t->optim, t->pool, g), 0.01, 1, number);
        free(g);
    }
}
