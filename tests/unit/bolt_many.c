/* libbolt, many stories as one batch: each is what it would be alone, to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"
#include "base/rng.h"
#include "support/scratch.h"
#include "support/toybolt.h"

enum { V = TOYBOLT_V, MOST = 70, STEPS = 12 };

/* The same stories in contexts that are stepped together and in others stepped one by one. */
struct both {
    struct bolt_model *model;
    struct bolt_context *many[MOST];
    struct bolt_context *alone[MOST];
    int32_t tokens[MOST];
    size_t n;
};

/* Prompts of 0 to 39 tokens; of every third story the logits have been asked for already. */
static void open_both(struct both *b, int math, size_t n)
{
    struct rng r;
    rng_seed(&r, n, 0);
    *b = (struct both){.model = toybolt_open(math), .n = n};
    for (size_t i = 0; i < n; i++) {
        int32_t prompt[40];
        size_t n_prompt = (size_t)rng_below(&r, 40);
        for (size_t j = 0; j < n_prompt; j++)
            prompt[j] = (int32_t)rng_below(&r, V);
        struct bolt_context **const places[] = {&b->many[i], &b->alone[i]};
        for (size_t k = 0; k < 2; k++) {
            *places[k] = toybolt_context(b->model);
            bolt_reset(*places[k], 3, i);
            assert_int_equal(bolt_step(*places[k], prompt, n_prompt), 0);
        }
        if (i % 3 == 2)
            (void)bolt_logits(b->many[i]);
    }
}

static void close_both(struct both *b)
{
    for (size_t i = 0; i < b->n; i++) {
        bolt_context_free(b->many[i]);
        bolt_context_free(b->alone[i]);
    }
    bolt_close(b->model);
}

static void draw_same(struct both *b)
{
    for (size_t i = 0; i < b->n; i++) {
        float p, q;
        assert_memory_equal(bolt_logits(b->many[i]), bolt_logits(b->alone[i]), V * sizeof(float));
        b->tokens[i] = bolt_sample(b->many[i], NULL, &p);
        assert_int_equal(b->tokens[i], bolt_sample(b->alone[i], NULL, &q));
        assert_true(p == q);
    }
}

static void test_as_one_by_one(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 8, 9, 31, 32, 33, MOST};
    for (int math = BOLT_INT8; math <= BOLT_EXACT; math++)
        for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
            struct both b;
            open_both(&b, math, sizes[s]);
            assert_int_equal(bolt_step_many(b.many, NULL, b.n), 0);
            draw_same(&b);
            for (int i = 0; i < STEPS; i++) {
                assert_int_equal(bolt_step_many(b.many, b.tokens, b.n), 0);
                for (size_t k = 0; k < b.n; k++)
                    assert_int_equal(bolt_step(b.alone[k], &b.tokens[k], 1), 0);
                draw_same(&b);
            }
            close_both(&b);
        }
}

/* Once in many, once alone, and asked twice: nothing is lost on the way. */
static void test_mixed(void **state)
{
    (void)state;
    struct both b;
    open_both(&b, BOLT_INT8, 20);
    for (int i = 0; i < STEPS; i++) {
        size_t n = i % 2 ? b.n : 11;
        assert_int_equal(bolt_step_many(b.many + (i % 3), NULL, n - (size_t)(i % 3)), 0);
        assert_int_equal(bolt_step_many(b.many, NULL, n), 0);
        draw_same(&b);
        assert_int_equal(bolt_step_many(b.many, b.tokens, n), 0);
        for (size_t k = 0; k < b.n; k++) {
            assert_int_equal(bolt_step(b.alone[k], &b.tokens[k], 1), 0);
            if (k >= n)
                assert_int_equal(bolt_step(b.many[k], &b.tokens[k], 1), 0);
        }
    }
    draw_same(&b);
    close_both(&b);
}

/* A context put back to the beginning forgets tokens that were stepped and not yet read. */
static void test_reset(void **state)
{
    (void)state;
    struct both b;
    open_both(&b, BOLT_INT8, 5);
    for (size_t i = 0; i < b.n; i++) {
        bolt_reset(b.many[i], 9, i);
        bolt_reset(b.alone[i], 9, i);
    }
    assert_int_equal(bolt_step_many(b.many, NULL, b.n), 0);
    draw_same(&b);
    close_both(&b);
}

static void refuse(struct both *b, struct bolt_context *const *contexts, const int32_t *tokens,
                   struct bolt_context *at_fault, const char *why)
{
    assert_int_equal(bolt_step_many(contexts, tokens, b->n), BOLT_ERROR_ARGUMENT);
    if (!strstr(bolt_error(at_fault), why))
        fail_msg("said '%s', expected '%s'", bolt_error(at_fault), why);
    draw_same(b); /* nothing was read, by none */
}

static void test_errors(void **state)
{
    (void)state;
    struct both b;
    struct bolt_context *list[6];
    open_both(&b, BOLT_INT8, 6);
    struct bolt_model *other = toybolt_open(BOLT_INT8);
    struct bolt_context *stranger = toybolt_context(other);
    draw_same(&b);
    memcpy(list, b.many, sizeof list);
    list[3] = NULL;
    refuse(&b, list, b.tokens, list[0], "context 3 is NULL");
    list[3] = b.many[1];
    refuse(&b, list, b.tokens, b.many[1], "context 3 is given twice");
    list[3] = stranger;
    refuse(&b, list, b.tokens, stranger, "context 3 is of another model");
    list[3] = b.many[3];
    b.tokens[5] = V;
    assert_int_equal(bolt_step_many(list, b.tokens, b.n), BOLT_ERROR_ARGUMENT);
    assert_non_null(strstr(bolt_error(b.many[5]), "which the model does not have"));
    draw_same(&b);
    assert_int_equal(bolt_step_many(NULL, NULL, 3), BOLT_ERROR_ARGUMENT);
    list[0] = NULL;
    assert_int_equal(bolt_step_many(list, NULL, 1), BOLT_ERROR_ARGUMENT);
    assert_int_equal(bolt_step_many(NULL, NULL, 0), 0);
    assert_int_equal(bolt_step_many(b.many, b.tokens, b.n), 0); /* the marks are gone */
    bolt_context_free(stranger);
    bolt_close(other);
    close_both(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_one_by_one),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, toybolt_setup, scratch_teardown);
}
