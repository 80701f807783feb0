/* Pieces of work in stages: all are worked on, taken in order, few at a time, and the failure
 * reported is the first in order, whatever the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "os/pipeline.h"
#include "os/threads.h"

enum { N_PIECES = 3, MOST_THREADS = 7, NEVER = -1 };

struct piece {
    int number, squared;
};

struct run {
    int n;                                  /* pieces to make */
    int make_fails, work_fails, take_fails; /* the number at which, or NEVER */
    int n_taken;
    _Atomic int n_worked, n_taking;
    struct piece pieces[N_PIECES];
};

static int make(void *context, struct pipeline *p, struct err *e)
{
    struct run *r = context;
    for (int i = 0; i < r->n; i++) {
        if (i == r->make_fails)
            return err_set(e, "made %d", i);
        struct piece *piece = pipeline_piece(p);
        struct piece *again = pipeline_piece(p);
        if (!again) /* a stage has failed, perhaps between the two */
            return err_set(e, "nobody looks at this");
        assert_ptr_equal(piece, again);
        piece->number = i;
        pipeline_put(p);
    }
    return 0;
}

/* Pieces take times that differ, so that they become ready in another order. */
static int work(void *context, void *piece, size_t worker, struct err *e)
{
    struct run *r = context;
    struct piece *x = piece;
    volatile int sink = 0;
    assert_in_range(worker, 0, MOST_THREADS - 1);
    for (int i = 0; i < x->number * 7919 % 13 * 1000; i++)
        sink = sink + i;
    x->squared = x->number * x->number;
    atomic_fetch_add(&r->n_worked, 1);
    return x->number == r->work_fails ? err_set(e, "worked %d", x->number) : 0;
}

static int take(void *context, void *piece, struct err *e)
{
    struct run *r = context;
    const struct piece *x = piece;
    assert_int_equal(atomic_fetch_add(&r->n_taking, 1), 0);
    assert_int_equal(x->number, r->n_taken);
    assert_int_equal(x->squared, x->number * x->number);
    atomic_fetch_sub(&r->n_taking, 1);
    if (x->number == r->take_fails)
        return err_set(e, "took %d", x->number);
    r->n_taken++;
    return 0;
}

/* With no pool, and with one to seven threads; n_taken pieces are taken. */
static void expect(struct run want, int n_taken, const char *failure)
{
    for (int n_threads = 0; n_threads <= MOST_THREADS; n_threads++) {
        struct err e;
        struct run r = want;
        struct pool *pool = n_threads ? threads_new(n_threads, &e) : NULL;
        const struct pipeline_stages stages = {make, work, take, &r};
        int rc = pipeline_run(&stages, r.pieces, N_PIECES, sizeof *r.pieces, pool, &e);
        assert_int_equal(rc, failure ? -1 : 0);
        if (failure)
            assert_string_equal(e.text, failure);
        assert_int_equal(r.n_taken, n_taken);
        if (!failure)
            assert_int_equal(r.n_worked, want.n);
        threads_free(pool);
    }
}

static void test_all_are_taken_in_order(void **state)
{
    (void)state;
    expect((struct run){.n = 0, NEVER, NEVER, NEVER}, 0, NULL);
    expect((struct run){.n = 1, NEVER, NEVER, NEVER}, 1, NULL);
    expect((struct run){.n = 500, NEVER, NEVER, NEVER}, 500, NULL);
}

static void test_the_first_failure_in_order_is_reported(void **state)
{
    (void)state;
    expect((struct run){.n = 100, 60, NEVER, NEVER}, 60, "made 60");
    expect((struct run){.n = 100, NEVER, 40, NEVER}, 40, "worked 40");
    expect((struct run){.n = 100, NEVER, NEVER, 99}, 99, "took 99");
    expect((struct run){.n = 100, 41, 40, NEVER}, 40, "worked 40");
    expect((struct run){.n = 100, NEVER, 41, 40}, 40, "took 40");
    expect((struct run){.n = 100, 0, NEVER, NEVER}, 0, "made 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_taken_in_order),
        cmocka_unit_test(test_the_first_failure_in_order_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
