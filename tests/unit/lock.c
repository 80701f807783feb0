/* The monitor: nothing is lost between threads, and who waits is woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/lock.h"
#include "os/threads.h"

enum { N_THREADS = 4, N_ROUNDS = 20000 };

struct counter {
    struct lock *lock;
    long long n; /* not atomic */
};

static void count(void *context, size_t task, size_t worker)
{
    struct counter *c = context;
    (void)task;
    (void)worker;
    for (int i = 0; i < N_ROUNDS; i++) {
        lock_enter(c->lock);
        c->n++;
        lock_leave(c->lock);
    }
}

static void test_one_thread_at_a_time(void **context)
{
    (void)context;
    struct err e;
    struct pool *p = threads_new(N_THREADS, &e);
    struct counter c = {lock_new(&e), 0};
    assert_non_null(p);
    assert_non_null(c.lock);
    pool_run(p, count, &c, N_THREADS);
    assert_int_equal(c.n, N_THREADS * N_ROUNDS);
    lock_free(c.lock);
    threads_free(p);
}

struct relay {
    struct lock *lock;
    size_t turn;
    size_t met[N_THREADS * 100];
};

/* Each thread waits for its turn, so all must be woken again and again. */
static void run_relay(void *context, size_t task, size_t worker)
{
    struct relay *r = context;
    (void)worker;
    for (size_t i = task; i < ARRAY_LEN(r->met); i += N_THREADS) {
        lock_enter(r->lock);
        while (r->turn != i)
            lock_wait(r->lock);
        r->met[r->turn++] = task;
        lock_wake(r->lock);
        lock_leave(r->lock);
    }
}

static void test_who_waits_is_woken(void **context)
{
    (void)context;
    struct err e;
    struct pool *p = threads_new(N_THREADS, &e);
    struct relay r = {.lock = lock_new(&e)};
    assert_non_null(p);
    assert_non_null(r.lock);
    pool_run(p, run_relay, &r, N_THREADS);
    assert_int_equal(r.turn, ARRAY_LEN(r.met));
    for (size_t i = 0; i < ARRAY_LEN(r.met); i++)
        assert_int_equal(r.met[i], i % N_THREADS);
    lock_free(r.lock);
    threads_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_at_a_time),
        cmocka_unit_test(test_who_waits_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
