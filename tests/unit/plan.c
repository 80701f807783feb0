#include "train/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { THREADS = 4 };

static void count(void *context, size_t task, size_t worker)
{
    size_t *n = context;
    volatile double x = 1;
    assert_int_equal(worker, 0);
    for (int i = 0; i < 20000; i++)
        x = x * 1.0000001 + 1e-9;
    n[task]++;
}

/* A step of two phases: of one round of `tasks`, and of two rounds of 3. */
static size_t step(struct plan *p, size_t tasks, struct err *e, int *rc)
{
    size_t n[64] = {0};
    size_t sum = 0;
    struct pool *pool = (struct pool *)p;
    plan_begin_step(p);
    pool_run(pool, count, n, tasks);
    plan_end_phase(p, PHASE_FORWARD);
    pool_run(pool, count, n, 3);
    pool_run(pool, count, n, 3);
    plan_end_phase(p, PHASE_HEAD);
    *rc = plan_end_step(p, e);
    for (size_t i = 0; i < ARRAY_LEN(n); i++)
        sum += n[i];
    return sum;
}

static void test_plan_counts_what_is_done(void **state)
{
    (void)state;
    struct err e;
    int rc;
    struct pool *pool = plan_new(THREADS, &e);
    assert_non_null(pool);
    assert_int_equal(pool_threads(pool), THREADS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(step(plan_of(pool), 10, &e, &rc), 16);
        assert_int_equal(rc, 0);
    }
    struct plan_phase f;
    plan_phase(plan_of(pool), PHASE_FORWARD, &f);
    assert_int_equal(f.n_rounds, 1);
    assert_int_equal(f.n_tasks, 10);
    assert_true(f.one > 0 && f.serial >= 0 && f.serial < f.one);
    assert_true(f.planned > f.one / THREADS); /* at best, and rounds cost something */
    assert_true(f.planned < f.one);
    plan_phase(plan_of(pool), PHASE_HEAD, &f);
    assert_int_equal(f.n_rounds, 2);
    assert_int_equal(f.n_tasks, 6);
    assert_true(f.planned > f.one / 3); /* there are three tasks for four threads */
    plan_phase(plan_of(pool), PHASE_PACK, &f);
    assert_int_equal(f.n_rounds + f.n_tasks, 0);
    plan_free(pool);
}

static void test_plan_of_steps_that_differ(void **state)
{
    (void)state;
    struct err e;
    int rc;
    struct pool *pool = plan_new(THREADS, &e);
    step(plan_of(pool), 10, &e, &rc);
    assert_int_equal(rc, 0);
    step(plan_of(pool), 11, &e, &rc);
    assert_int_equal(rc, -1);
    plan_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_counts_what_is_done),
        cmocka_unit_test(test_plan_of_steps_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
