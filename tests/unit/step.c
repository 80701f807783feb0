/* Decoding one token at a time, beside the whole-sequence forward pass: the same logits on random
 * models of awkward sizes, and no later token that changes an earlier logit in either of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/step.h"
#include "support/toy.h"

enum { ROWS = 150 };

static const struct {
    int V, D, H, K, L;
    const char *dilation;
} sizes[] = {
    {5, 1, 1, 1, 1, "1"},      {7, 3, 5, 2, 2, "1,3"},      {64, 16, 32, 1, 3, "2"},
    {50, 17, 23, 8, 4, "1"},   {33, 31, 6, 3, 3, "1,7,40"}, {300, 48, 100, 4, 2, "1,2"},
    {20, 65, 129, 8, 1, "19"}, {101, 36, 52, 64, 2, "3,1"},
};

/* Ragged sequences that fill the rows, and tokens to stand in them. */
static void random_rows(const struct dims *d, uint64_t seed, uint16_t *tokens, uint32_t *pos)
{
    struct rng r;
    rng_seed(&r, seed, 1);
    for (size_t i = 0; i < ROWS; i++) {
        tokens[i] = (uint16_t)rng_below(&r, (uint64_t)d->V);
        pos[i] = i == 0 || rng_below(&r, 40) == 0 ? 0 : pos[i - 1] + 1;
    }
}

static float *net_rows(struct toy *t, const uint16_t *tokens, const uint32_t *pos)
{
    float *logits = calloc(ROWS * (size_t)t->dims.V, sizeof *logits);
    assert_non_null(logits);
    net_forward(&t->net, t->pool, tokens, pos, ROWS);
    net_logits(&t->net, 0, ROWS, 0, logits);
    return logits;
}

static void open_step(struct step *s, struct arena *a, const struct toy *t)
{
    struct err e;
    struct arena measure;
    arena_measure(&measure);
    step_init(s, &t->model, &t->kern, &measure);
    assert_int_equal(arena_init(a, measure.used, &e), 0);
    step_init(s, &t->model, &t->kern, a);
}

static void compare_rows(struct step *s, size_t V, const uint16_t *tokens, const uint32_t *pos,
                         const float *want)
{
    float largest = 0;
    for (size_t i = 0; i < ROWS * V; i++)
        largest = fmaxf(largest, fabsf(want[i]));
    struct rng r;
    rng_seed(&r, 9, 2);
    for (size_t i = 0; i < ROWS; i++) {
        if (pos[i] == 0)
            step_reset(s);
        if (rng_below(&r, 4) == 0) { /* feeding without the head keeps the same state */
            step_prefill(s, tokens[i]);
            continue;
        }
        const float *got = step_token(s, tokens[i]);
        for (size_t v = 0; v < V; v++)
            if (!(fabsf(got[v] - want[i * V + v]) <= 2e-5f * largest))
                fail_msg("row %zu, position %u, token %zu: %g, expected %g", i, pos[i], v,
                         (double)got[v], (double)want[i * V + v]);
    }
}

static void step_equals_net(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (int level = CPU_C; level <= (int)cpu_best(); level++) {
            struct dims d = toy_dims(sizes[i].V, sizes[i].D, sizes[i].H, sizes[i].K, sizes[i].L,
                                     sizes[i].dilation);
            struct toy t;
            toy_open(&t, &d, NULL, i, ROWS, 1, (enum cpu_level)level);
            uint16_t tokens[ROWS];
            uint32_t pos[ROWS];
            random_rows(&d, i, tokens, pos);
            float *want = net_rows(&t, tokens, pos);
            struct step s;
            struct arena a;
            open_step(&s, &a, &t);
            compare_rows(&s, (size_t)d.V, tokens, pos, want);
            free(want);
            arena_release(&a);
            toy_close(&t);
        }
}

/* One sequence, and the same with other tokens from CHANGED on. */
enum { CHANGED = 60 };

static void change_rows(const struct dims *d, uint16_t *tokens, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        tokens[i] = (uint16_t)((tokens[i] + 1) % d->V);
}

static void net_is_causal(void **state)
{
    (void)state;
    struct dims d = toy_dims(50, 24, 40, 4, 3, "1,2,5");
    size_t V = (size_t)d.V;
    struct toy t;
    toy_open(&t, &d, NULL, 3, ROWS, 2, cpu_best());
    uint16_t tokens[ROWS];
    uint32_t pos[ROWS];
    random_rows(&d, 4, tokens, pos);
    for (uint32_t i = 0; i < ROWS; i++)
        pos[i] = i;
    float *before = net_rows(&t, tokens, pos);
    change_rows(&d, tokens, CHANGED, ROWS);
    float *after = net_rows(&t, tokens, pos);
    assert_memory_equal(before, after, CHANGED * V * sizeof *before);
    assert_memory_not_equal(before + CHANGED * V, after + CHANGED * V, V * sizeof *before);
    free(before);
    free(after);
    toy_close(&t);
}

/* One changed token reaches exactly dims_context positions further: the last of them shows it, the
 * next does not. */
static void net_reaches_its_context(void **state)
{
    (void)state;
    struct dims d = toy_dims(50, 24, 40, 4, 3, "1,2,5");
    size_t V = (size_t)d.V;
    size_t last = CHANGED + dims_context(&d);
    struct toy t;
    toy_open(&t, &d, NULL, 3, ROWS, 2, cpu_best());
    uint16_t tokens[ROWS];
    uint32_t pos[ROWS];
    random_rows(&d, 4, tokens, pos);
    for (uint32_t i = 0; i < ROWS; i++)
        pos[i] = i;
    float *before = net_rows(&t, tokens, pos);
    change_rows(&d, tokens, CHANGED, CHANGED + 1);
    float *after = net_rows(&t, tokens, pos);
    assert_memory_not_equal(before + last * V, after + last * V, V * sizeof *before);
    assert_memory_equal(before + (last + 1) * V, after + (last + 1) * V,
                        (ROWS - last - 1) * V * sizeof *before);
    free(before);
    free(after);
    toy_close(&t);
}

/* A sequence does not see the one before it in the same run. */
static void sequences_are_apart(void **state)
{
    (void)state;
    struct dims d = toy_dims(50, 24, 40, 4, 3, "1,2,5");
    size_t V = (size_t)d.V;
    struct toy t;
    toy_open(&t, &d, NULL, 3, ROWS, 2, cpu_best());
    uint16_t tokens[ROWS];
    uint32_t pos[ROWS];
    random_rows(&d, 4, tokens, pos);
    for (uint32_t i = 0; i < ROWS; i++)
        pos[i] = i < CHANGED ? i : i - CHANGED;
    float *before = net_rows(&t, tokens, pos);
    change_rows(&d, tokens, 0, CHANGED);
    float *after = net_rows(&t, tokens, pos);
    assert_memory_not_equal(before, after, CHANGED * V * sizeof *before);
    assert_memory_equal(before + CHANGED * V, after + CHANGED * V,
                        (ROWS - CHANGED) * V * sizeof *before);
    free(before);
    free(after);
    toy_close(&t);
}

/* Logits of a step stand as they are whatever is fed later, and a reset forgets all of it. */
static void step_is_causal_and_resets(void **state)
{
    (void)state;
    struct dims d = toy_dims(50, 24, 40, 4, 3, "1,2,5");
    size_t V = (size_t)d.V;
    struct toy t;
    toy_open(&t, &d, NULL, 3, 1, 1, cpu_best());
    struct step s;
    struct arena a;
    open_step(&s, &a, &t);
    float *first = calloc(CHANGED * V, sizeof *first);
    assert_non_null(first);
    for (int round = 0; round < 3; round++) {
        step_reset(&s);
        for (size_t i = 0; i < CHANGED; i++) {
            const float *logits = step_token(&s, (uint16_t)(i * 7 % V));
            if (round == 0)
                memcpy(first + i * V, logits, V * sizeof *first);
            else
                assert_memory_equal(first + i * V, logits, V * sizeof *first);
        }
        for (size_t i = 0; i < (size_t)round * 37 + 5; i++)
            step_prefill(&s, (uint16_t)((i + (size_t)round) % V));
    }
    free(first);
    arena_release(&a);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_equals_net),           cmocka_unit_test(net_is_causal),
        cmocka_unit_test(net_reaches_its_context),   cmocka_unit_test(sequences_are_apart),
        cmocka_unit_test(step_is_causal_and_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
