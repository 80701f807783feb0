/* The forward pass over whole sequences: no later token changes an earlier logit, none reaches
 * further than the context, and sequences of one run do not see each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/rng.h"
#include "support/toy.h"

enum { ROWS = 150 };

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(net_is_causal),
        cmocka_unit_test(net_reaches_its_context),
        cmocka_unit_test(sequences_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
