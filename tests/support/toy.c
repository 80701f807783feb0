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

struct dims toy_mixed(struct dims d, const char *mixers, int heads, int key_width, int window)
{
    struct err e;
    assert_int_equal(dims_parse_mixers(&d, mixers, &e), 0);
    d.heads = heads;
    d.key_width = key_width;
    d.window = window;
    dims_complete(&d);
    assert_int_equal(dims_check(&d, &e), 0);
    return d;
}

struct dims toy_every(struct dims d, int heads, int key_width, int window, size_t i)
{
    char mixers[DIMS_MIXERS_TEXT];
    for (size_t l = 0; l < (size_t)d.L; l++)
        d.mixer[l] = (enum dims_mixer)(i < DIMS_N_MIXERS ? i : (i + l) % DIMS_N_MIXERS);
    d.embed_norm = i >= DIMS_N_MIXERS;
    dims_mixers_text(&d, mixers, sizeof mixers);
    return toy_mixed(d, mixers, heads, key_width, window);
}

/* An arrangement of mixers, every one but of convolutions alone. */
static struct dims mixed_size(size_t i)
{
    static const struct {
        int V, D, H, K, L;
        const char *dilation;
        int heads, key_width, window;
    } sizes[TOY_N_MIXED] = {
        {7, 3, 5, 2, 1, "1", 3, 1, 1},         {50, 24, 40, 4, 3, "2", 3, 5, 7},
        {300, 48, 100, 4, 3, "2", 2, 17, 37},  {33, 31, 6, 3, 2, "1", 1, 40, 64},
        {2100, 192, 200, 8, 2, "1", 0, 16, 0},
    };
    size_t s = i % TOY_N_MIXED;
    struct dims d =
        toy_dims(sizes[s].V, sizes[s].D, sizes[s].H, sizes[s].K, sizes[s].L, sizes[s].dilation);
    return toy_every(d, sizes[s].heads, sizes[s].key_width, sizes[s].window,
                     1 + i % (TOY_N_EVERY - 1));
}

struct dims toy_size(size_t i)
{
    static const struct {
        int V, D, H, K, L;
        const char *dilation;
    } sizes[TOY_N_CONV] = {
        {5, 1, 1, 1, 1, "1"},      {7, 3, 5, 2, 2, "1,3"},      {64, 16, 32, 1, 3, "2"},
        {50, 17, 23, 8, 4, "1"},   {33, 31, 6, 3, 3, "1,7,40"}, {300, 48, 100, 4, 2, "1,2"},
        {20, 65, 129, 8, 1, "19"}, {101, 36, 52, 64, 2, "3,1"}, {2100, 192, 200, 8, 2, "1"},
    };
    assert_true(i < TOY_N_SIZES);
    if (i >= TOY_N_CONV)
        return mixed_size(i - TOY_N_CONV);
    return toy_dims(sizes[i].V, sizes[i].D, sizes[i].H, sizes[i].K, sizes[i].L, sizes[i].dilation);
}

void toy_rows(const struct dims *d, uint64_t seed, size_t n, uint16_t *tokens, uint32_t *pos)
{
    struct rng r;
    rng_seed(&r, seed, 1);
    for (size_t i = 0; i < n; i++) {
        tokens[i] = (uint16_t)rng_below(&r, (uint64_t)d->V);
        pos[i] = i == 0 || rng_below(&r, 40) == 0 ? 0 : pos[i - 1] + 1;
    }
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
