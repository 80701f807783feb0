/* The forward pass over whole sequences, of every mixer: no later token changes an earlier logit,
 * none reaches further than the context, and sequences of one run do not see each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "support/toy.h"
#include "support/toynet.h"

enum { ROWS = 150 };

enum { CHANGED = 60 }; /* the row at which something changes */

/* Logits [ROWS][V] of a model before and after some tokens were exchanged for others. */
struct change {
    struct dims dims;
    size_t V;
    float *before;
    float *after;
};

static struct dims dims_of(size_t i)
{
    return toy_every(toy_dims(50, 24, 40, 4, 3, "1,2,5"), 3, 5, 13, i);
}

static float *net_rows(struct toynet *t, const uint16_t *tokens, const uint32_t *pos)
{
    float *logits = calloc(ROWS * (size_t)t->dims.V, sizeof *logits);
    assert_non_null(logits);
    net_forward(&t->net, t->pool, tokens, pos, ROWS);
    net_logits(&t->net, 0, ROWS, 0, logits);
    return logits;
}

/* The tokens of rows [first, end) change; a second sequence begins at row `second`. */
static struct change change_rows(const struct dims *d, uint32_t second, size_t first, size_t end)
{
    struct change c = {.dims = *d, .V = 50};
    struct toynet t;
    uint16_t tokens[ROWS];
    uint32_t pos[ROWS];
    toynet_open(&t, &c.dims, NULL, 3, ROWS, 2, cpu_best());
    toy_rows(&c.dims, 4, ROWS, tokens, pos);
    for (uint32_t i = 0; i < ROWS; i++)
        pos[i] = i < second ? i : i - second;
    c.before = net_rows(&t, tokens, pos);
    for (size_t i = first; i < end; i++)
        tokens[i] = (uint16_t)((tokens[i] + 1) % t.dims.V);
    c.after = net_rows(&t, tokens, pos);
    toynet_close(&t);
    return c;
}

static void release_change(struct change *c)
{
    free(c->before);
    free(c->after);
}

static void assert_rows_same(const struct change *c, size_t first, size_t end)
{
    assert_memory_equal(c->before + first * c->V, c->after + first * c->V,
                        (end - first) * c->V * sizeof *c->after);
}

static void assert_row_differs(const struct change *c, size_t row)
{
    assert_memory_not_equal(c->before + row * c->V, c->after + row * c->V, c->V * sizeof *c->after);
}

static void test_net_is_causal(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = dims_of(i);
        struct change c = change_rows(&d, ROWS, CHANGED, ROWS);
        assert_rows_same(&c, 0, CHANGED);
        assert_row_differs(&c, CHANGED);
        release_change(&c);
    }
}

/* One changed token reaches exactly dims_context positions further: the last of them shows it, the
 * next does not. */
static void test_net_reaches_its_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = dims_of(i);
        struct change c = change_rows(&d, ROWS, CHANGED, CHANGED + 1);
        size_t last = CHANGED + dims_context(&c.dims);
        assert_row_differs(&c, last);
        assert_rows_same(&c, last + 1, ROWS);
        release_change(&c);
    }
}

/* A sequence does not see the one before it in the same run. */
static void test_sequences_are_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOY_N_EVERY; i++) {
        struct dims d = dims_of(i);
        struct change c = change_rows(&d, CHANGED, 0, CHANGED);
        assert_row_differs(&c, CHANGED - 1);
        assert_rows_same(&c, CHANGED, ROWS);
        release_change(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_is_causal),
        cmocka_unit_test(test_net_reaches_its_context),
        cmocka_unit_test(test_sequences_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
