/* Short lists: of every logit that a draw can depend on, the bits of infer_head; all others below.
 * The draws themselves are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/sampler.h"
#include "model/shortlist.h"
#include "os/pages.h"
#include "os/threads.h"
#include "support/toy.h"
#include "support/toynet.h"

enum { V = 3000, D = 40 };

/* A model of which only the head matters. */
struct runner {
    struct toynet toy;
    struct kern kern;
    void *stored;
    float *scales;
    struct infer_weights weights;
    struct shortlist_head head;
    struct arena arena;
    struct infer infer;
    struct shortlist list;
    float *full; /* [V] */
    float *got;  /* [V] */
};

/* Some rows are equal, as those of tokens never met may be, or nearly; some columns large. */
static float *embedding(struct rng *rng, const struct dims *d)
{
    float *params = toy_params(d, rng_u64(rng));
    float *w = params + dims_offset(d, TENSOR_EMBED, 0);
    for (size_t id = 0; id < V; id++)
        for (size_t c = 0; c < D; c++) {
            float *at = &w[id * D + c];
            *at = (float)rng_normal(rng) * (c % 16 == 3 ? 30 : 1);
            if (id > 10 && id % 8 == 0)
                *at = w[(id - 8) * D + c] * (id % 16 ? 1 : 1.001f);
        }
    return params;
}

static void lay_out(struct runner *r, struct arena *a)
{
    infer_init(&r->infer, &r->weights, 2, a);
    shortlist_init(&r->list, &r->head, &r->toy.dims, a);
    r->full = arena_alloc(a, V, sizeof(float));
    r->got = arena_alloc(a, V, sizeof(float));
}

static void open_runner(struct runner *r, enum number_type type, const struct cpu_level *level,
                        float *params, const struct dims *d)
{
    struct err e;
    struct arena measure;
    *r = (struct runner){0};
    toynet_open(&r->toy, d, params, 1, 1, 1, CPU_C);
    struct model *m = &r->toy.model;
    const float *w = m->embed.data;
    r->stored = calloc((size_t)V * D, sizeof(float));
    r->scales = calloc(V, sizeof(float));
    assert_true(r->stored && r->scales);
    for (size_t i = 0; i < (size_t)V * D && type == NUMBER_F16; i++)
        ((uint16_t *)r->stored)[i] = number_f16(w[i]);
    for (size_t id = 0; id < V && type == NUMBER_Q8; id++)
        r->scales[id] = number_q8(w + id * D, D, (signed char *)r->stored + id * D);
    if (type != NUMBER_F32)
        m->embed = (struct model_embed){type, r->stored, type == NUMBER_Q8 ? r->scales : NULL};
    kern_init(&r->kern, level);
    assert_int_equal(infer_weights_init(&r->weights, m, &r->kern, MODEL_EXACT, &pages_memory, &e),
                     0);
    assert_int_equal(shortlist_head_init(&r->head, &r->weights, &pages_memory, &e), 0);
    arena_measure(&measure);
    lay_out(r, &measure);
    assert_int_equal(arena_init(&r->arena, &pages_memory, measure.used, &e), 0);
    lay_out(r, &r->arena);
}

static void close_runner(struct runner *r)
{
    shortlist_head_release(&r->head);
    infer_weights_release(&r->weights);
    arena_release(&r->arena);
    free(r->stored);
    free(r->scales);
    toynet_close(&r->toy);
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The list of k for the activations in row 1, beside the whole head; false if there is none. */
static bool as_the_head(struct runner *r, struct pool *p, size_t first, size_t k)
{
    float sorted[V];
    infer_head(&r->infer, 1, 1, r->full);
    memset(r->got, 0x7f, V * sizeof *r->got);
    if (!shortlist_logits(&r->list, &r->infer, p, 1, first, k, r->got))
        return false;
    memcpy(sorted, r->full + first, (V - first) * sizeof *sorted);
    qsort(sorted, V - first, sizeof *sorted, descending);
    float least = sorted[k - 1];
    for (size_t id = first; id < V; id++) {
        bool same = memcmp(&r->got[id], &r->full[id], sizeof *r->got) == 0;
        if (r->full[id] >= least ? !same : !(r->got[id] < least))
            fail_msg("%s, embedding %s, k %zu: token %zu has %a, in truth %a; the k-th has %a",
                     r->kern.level->name, number_type_names[r->weights.model->embed.type], k, id,
                     (double)r->got[id], (double)r->full[id], (double)least);
    }
    return true;
}

static void fill_hidden(struct runner *r, struct rng *rng, float size)
{
    for (size_t c = 0; c < D; c++)
        r->infer.hidden[D + c] = (float)rng_normal(rng) * size;
}

static void each_type_and_level(struct pool *p)
{
    static const size_t ks[] = {1, 2, 5, 50};
    struct dims d = toy_dims(V, D, 8, 2, 1, "1");
    struct rng rng;
    size_t n = 0;
    size_t made = 0;
    rng_seed(&rng, 3, 0);
    for (int type = NUMBER_F32; type <= NUMBER_Q8; type++)
        for (const struct cpu_level *level = CPU_C; level; level = cpu_next(level)) {
            struct runner r;
            open_runner(&r, (enum number_type)type, level, embedding(&rng, &d), &d);
            for (int round = 0; round < 20; round++) {
                fill_hidden(&r, &rng, ldexpf(1, (int)rng_below(&rng, 20) - 10));
                for (size_t i = 0; i < ARRAY_LEN(ks); i++, n++)
                    made += as_the_head(&r, p, rng_below(&rng, 4), ks[i]);
            }
            close_runner(&r);
        }
    if (made < n * 3 / 4)
        fail_msg("%zu lists of %zu", made, n);
}

static void test_logits_of_the_head(void **state)
{
    (void)state;
    each_type_and_level(NULL);
}

static void test_threads_share_it(void **state)
{
    (void)state;
    struct err e;
    struct pool *p = threads_new(3, &e);
    assert_non_null(p);
    each_type_and_level(p);
    threads_free(p);
}

/* What has no bound, or no short list, is left to the head. */
static void test_refusals(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, 1e30f};
    struct dims d = toy_dims(V, D, 8, 2, 1, "1");
    struct rng rng;
    struct runner r;
    rng_seed(&rng, 4, 0);
    open_runner(&r, NUMBER_F16, cpu_best(), embedding(&rng, &d), &d);
    fill_hidden(&r, &rng, 1);
    assert_true(as_the_head(&r, NULL, 0, 1));
    assert_false(as_the_head(&r, NULL, 0, V / 8 + 1));
    assert_false(as_the_head(&r, NULL, 0, V));
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        fill_hidden(&r, &rng, 1);
        r.infer.hidden[D + 7] = odd[i];
        assert_false(as_the_head(&r, NULL, 0, 1));
    }
    fill_hidden(&r, &rng, 0); /* all logits are equal */
    assert_false(as_the_head(&r, NULL, 0, 1));
    close_runner(&r);
}

static void test_weights_too_large(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, D, 8, 2, 1, "1");
    struct rng rng;
    struct runner r;
    rng_seed(&rng, 5, 0);
    float *params = embedding(&rng, &d);
    params[dims_offset(&d, TENSOR_EMBED, 0) + 70] = 1e30f;
    open_runner(&r, NUMBER_F32, cpu_best(), params, &d);
    fill_hidden(&r, &rng, 1);
    assert_false(as_the_head(&r, NULL, 0, 1));
    close_runner(&r);
}

/* Numbers so small that products of them are denormal, or zero: no list, or the right one. */
static void test_tiny_numbers(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, D, 8, 2, 1, "1");
    struct rng rng;
    rng_seed(&rng, 6, 0);
    for (int exponent = -140; exponent < 0; exponent += 10) {
        struct runner r;
        float *params = embedding(&rng, &d);
        float *w = params + dims_offset(&d, TENSOR_EMBED, 0);
        for (size_t i = 0; i < (size_t)V * D; i++)
            w[i] = ldexpf(w[i], exponent);
        open_runner(&r, NUMBER_F32, cpu_best(), params, &d);
        fill_hidden(&r, &rng, ldexpf(1, (int)rng_below(&rng, 100) - 80));
        (void)as_the_head(&r, NULL, 0, 1);
        (void)as_the_head(&r, NULL, 0, 20);
        close_runner(&r);
    }
}

/* The tokens drawn, for every kind of draw that says how far it reaches. */
static void test_draws(void **state)
{
    (void)state;
    struct dims d = toy_dims(V, D, 8, 2, 1, "1");
    struct rng rng;
    struct runner r;
    struct arena a;
    struct err e;
    struct sampler_scratch scratch;
    size_t made = 0;
    rng_seed(&rng, 7, 0);
    open_runner(&r, NUMBER_F16, cpu_best(), embedding(&rng, &d), &d);
    arena_measure(&a);
    sampler_scratch_init(&scratch, &r.kern, V, &a);
    assert_int_equal(arena_init(&a, &pages_memory, a.used, &e), 0);
    sampler_scratch_init(&scratch, &r.kern, V, &a);
    for (uint64_t round = 0; round < 200; round++) {
        struct sampler_options o = sampler_defaults();
        o.temperature = (float)rng_below(&rng, 3) * 0.7f;
        o.top_k = 1 + (int)rng_below(&rng, 60);
        o.top_p = rng_below(&rng, 2) ? 1 : 0.9f;
        o.min_p = rng_below(&rng, 2) ? 0 : 0.1f;
        fill_hidden(&r, &rng, 0.2f);
        size_t k = sampler_reach(&o);
        assert_int_equal(k, o.temperature > 0 ? o.top_k : 1);
        if (!as_the_head(&r, NULL, DIMS_EOS, k))
            continue;
        made++;
        struct sampler whole, list;
        sampler_init(&whole, &o, round);
        sampler_init(&list, &o, round);
        assert_int_equal(sampler_draw(&list, &scratch, r.got, NULL),
                         sampler_draw(&whole, &scratch, r.full, NULL));
    }
    assert_true(made > 150);
    arena_release(&a);
    close_runner(&r);
}

/* Draws that look at every logit, or change some first. */
static void test_reach(void **state)
{
    (void)state;
    struct sampler_options o = sampler_defaults();
    assert_int_equal(sampler_reach(&o), 50);
    o.repeat_penalty = 1.1f;
    assert_int_equal(sampler_reach(&o), 0);
    o.repeat_penalty = 1;
    o.top_k = 0;
    assert_int_equal(sampler_reach(&o), 0);
    o.temperature = 0;
    assert_int_equal(sampler_reach(&o), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_of_the_head),
        cmocka_unit_test(test_threads_share_it),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_weights_too_large),
        cmocka_unit_test(test_tiny_numbers),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
