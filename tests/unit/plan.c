#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/pipeline.h"
#include "os/plan.h"

enum { THREADS = 4 };
enum { FIRST, SECOND, NEVER };

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
    plan_end_phase(p, FIRST);
    pool_run(pool, count, n, 3);
    pool_run(pool, count, n, 3);
    plan_end_phase(p, SECOND);
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
    plan_phase(plan_of(pool), FIRST, &f);
    assert_int_equal(f.n_rounds, 1);
    assert_int_equal(f.n_tasks, 10);
    assert_true(f.one > 0 && f.serial >= 0 && f.serial < f.one);
    assert_true(f.planned > f.one / THREADS); /* at best, and rounds cost something */
    assert_true(f.planned < f.one);
    plan_phase(plan_of(pool), SECOND, &f);
    assert_int_equal(f.n_rounds, 2);
    assert_int_equal(f.n_tasks, 6);
    assert_true(f.planned > f.one / 3); /* there are three tasks for four threads */
    plan_phase(plan_of(pool), NEVER, &f);
    assert_int_equal(f.n_rounds + f.n_tasks, 0);
    plan_free(pool);
}

static void spin(int n)
{
    volatile double x = 1;
    for (int i = 0; i < n; i++)
        x = x * 1.0000001 + 1e-9;
}

enum { PIECES = 40 };

static int make(void *context, struct pipeline *p, struct err *e)
{
    (void)context;
    (void)e;
    for (int i = 0; i < PIECES; i++) {
        spin(40000);
        if (!pipeline_piece(p))
            return -1;
        pipeline_put(p);
    }
    return 0;
}

static int work(void *context, void *piece, size_t worker, struct err *e)
{
    (void)context;
    (void)piece;
    (void)e;
    assert_int_equal(worker, 0);
    spin(60000);
    return 0;
}

static int take(void *context, void *piece, struct err *e)
{
    (void)context;
    (void)piece;
    (void)e;
    spin(10000);
    return 0;
}

/* Making takes four tenths, so that many threads can halve the time at best. */
static void test_plan_of_a_pipeline(void **state)
{
    (void)state;
    struct err e;
    char pieces[6];
    const struct pipeline_stages stages = {make, work, take, NULL};
    struct pool *pool = plan_new(THREADS, &e);
    plan_begin_step(plan_of(pool));
    assert_int_equal(pipeline_run(&stages, pieces, sizeof pieces, 1, pool, &e), 0);
    plan_end_phase(plan_of(pool), FIRST);
    assert_int_equal(plan_end_step(plan_of(pool), &e), 0);
    struct plan_phase f;
    plan_phase(plan_of(pool), FIRST, &f);
    assert_int_equal(f.n_rounds, 1);
    assert_int_equal(f.n_tasks, PIECES);
    assert_true(f.serial > 0.2 * f.one && f.serial < 0.6 * f.one);
    assert_true(f.planned >= f.serial && f.planned < 0.7 * f.one);
    plan_free(pool);
}

/* A phase that comes again adds nothing; one that is another then is found. */
static void test_plan_of_a_phase_again(void **state)
{
    (void)state;
    struct err e;
    struct plan_phase once, twice;
    size_t n[10] = {0};
    for (size_t tasks = 9; tasks <= 10; tasks++) {
        struct pool *pool = plan_new(THREADS, &e);
        struct plan *p = plan_of(pool);
        plan_begin_step(p);
        pool_run(pool, count, n, 4);
        plan_end_phase(p, FIRST);
        pool_run(pool, count, n, 10);
        plan_end_phase(p, SECOND);
        plan_phase(p, SECOND, &once);
        plan_again(p);
        pool_run(pool, count, n, tasks);
        plan_end_phase(p, SECOND);
        pool_run(pool, count, n, 3);
        plan_end_phase(p, FIRST);
        plan_phase(p, SECOND, &twice);
        assert_int_equal(once.n_tasks, 10);
        assert_int_equal(twice.n_tasks, 10);
        assert_true(twice.one <= once.one);
        plan_phase(p, FIRST, &once);
        assert_int_equal(once.n_tasks, 7);
        assert_int_equal(plan_end_step(p, &e), tasks == 10 ? 0 : -1);
        plan_free(pool);
    }
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
        cmocka_unit_test(test_plan_of_a_pipeline),
        cmocka_unit_test(test_plan_of_a_phase_again),
        cmocka_unit_test(test_plan_of_steps_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
