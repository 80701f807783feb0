/* The pool: every task exactly once, on a worker that exists, for any number of threads; and all
 * that tasks wrote is seen by the caller. Run under the thread sanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "os/threads.h"

enum { MOST_TASKS = 300, MOST_THREADS = 16 };

struct job {
    int threads;
    unsigned done[MOST_TASKS]; /* plain memory: a task that ran twice at once is a race */
    unsigned worker[MOST_TASKS];
    unsigned stray; /* wrong worker or task numbers */
};

static void count(void *context, size_t task, size_t worker)
{
    struct job *j = context;
    if (task >= MOST_TASKS || worker >= (size_t)j->threads) {
        j->stray++;
        return;
    }
    /* uneven: some tasks cost a thousand times what others do */
    volatile unsigned spin = task % 17 == 0 ? 1000 : 1;
    while (spin)
        spin = spin - 1;
    j->done[task]++;
    j->worker[task] = (unsigned)worker;
}

static void run_often(int threads, int rounds)
{
    static struct job j;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 16, 17, 64, MOST_TASKS};
    struct err e;
    struct pool *p = threads_new(threads, &e);
    assert_non_null(p);
    assert_int_equal(pool_threads(p), threads);
    for (int round = 0; round < rounds; round++) {
        size_t n = sizes[(size_t)round % ARRAY_LEN(sizes)];
        memset(&j, 0, sizeof j);
        j.threads = threads;
        pool_run(p, count, &j, n);
        for (size_t i = 0; i < MOST_TASKS; i++)
            assert_int_equal(j.done[i], i < n);
        assert_int_equal(j.stray, 0);
    }
    threads_free(p);
}

static void test_every_task_once(void **state)
{
    (void)state;
    run_often(1, 3000);
    run_often(2, 9000);
    run_often(7, 3000);
    run_often(MOST_THREADS, 1500);
}

static void test_without_a_pool_the_caller_does_all(void **state)
{
    (void)state;
    static struct job j;
    j.threads = 1;
    assert_int_equal(pool_threads(NULL), 1);
    pool_run(NULL, count, &j, MOST_TASKS);
    for (size_t i = 0; i < MOST_TASKS; i++)
        assert_int_equal(j.done[i], 1);
    assert_int_equal(j.stray, 0);
}

enum { WORKERS = 4, MOST_RUNS = 1000 };

/* Which workers had a task, and in whose thread SIGTERM is held back, and SIGBUS not. */
struct seen {
    bool works[WORKERS];
    bool holds[WORKERS];
};

static void look(void *context, size_t task, size_t worker)
{
    struct seen *seen = context;
    sigset_t now;
    struct timespec pause = {.tv_nsec = 1000000};
    (void)task;
    nanosleep(&pause, NULL); /* gives the others their turn */
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    seen->works[worker] = true;
    seen->holds[worker] = sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGBUS) == 0;
}

/* A worker that does not get a processor has no part in a run, but has in one of many. */
static void run_until_all_work(struct seen *seen)
{
    struct err e;
    int working = 0;
    struct pool *p = threads_new(WORKERS, &e);
    assert_non_null(p);
    *seen = (struct seen){0};
    for (int run = 0; run < MOST_RUNS && working < WORKERS; run++) {
        pool_run(p, look, seen, 40);
        working = 0;
        for (int i = 0; i < WORKERS; i++)
            working += seen->works[i];
    }
    threads_free(p);
    assert_int_equal(working, WORKERS);
}

static void test_all_workers_work(void **state)
{
    (void)state;
    struct seen seen;
    run_until_all_work(&seen);
}

/* Runs after the workers have gone to sleep, and runs in quick succession, where they still spin.
 */
static void test_sleeping_workers_wake(void **state)
{
    (void)state;
    static struct job j;
    struct err e;
    struct pool *p = threads_new(2, &e);
    assert_non_null(p);
    for (int round = 0; round < 60; round++) {
        memset(&j, 0, sizeof j);
        j.threads = 2;
        struct timespec pause = {.tv_nsec = round % 4 * 700000};
        nanosleep(&pause, NULL);
        pool_run(p, count, &j, 50);
        for (size_t i = 0; i < 50; i++)
            assert_int_equal(j.done[i], 1);
    }
    threads_free(p);
}

static void test_idle_pool_costs_nothing(void **state)
{
    (void)state;
    struct err e;
    struct pool *p = threads_new(2, &e);
    assert_non_null(p);
    static struct job j = {.threads = 2};
    pool_run(p, count, &j, 50);
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    clock_t before = clock();
    for (int i = 0; i < 10; i++)
        nanosleep(&pause, NULL);
    double used = (double)(clock() - before) / CLOCKS_PER_SEC;
    assert_true(used < 0.05); /* of 0.2 s */
    threads_free(p);
}

static void divide(void *context, size_t task, size_t worker)
{
    (void)worker;
    float *out = context;
    volatile float small = FLT_MIN;
    out[task] = small / 4; /* a denormal unless flushed */
    struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
}

static void test_denormals_are_flushed_everywhere(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip();
#endif
    struct err e;
    float out[24];
    memset(out, 0x7f, sizeof out);
    struct pool *p = threads_new(3, &e);
    assert_non_null(p);
    pool_run(p, divide, out, ARRAY_LEN(out));
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], sizeof bits);
        assert_int_equal(bits, 0);
    }
    threads_free(p);
}

static void test_signals_are_for_the_caller(void **state)
{
    (void)state;
    struct seen seen;
    run_until_all_work(&seen);
    assert_false(seen.holds[0]);
    assert_true(seen.holds[1] && seen.holds[2] && seen.holds[3]);
}

static void test_bad_numbers_of_threads(void **state)
{
    (void)state;
    static const int bad[] = {0, -1, 1025, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e;
        assert_null(threads_new(bad[i], &e));
        assert_non_null(strstr(e.text, "expected 1 to 1024"));
        assert_int_equal(e.code, ERR_USAGE);
    }
    threads_free(NULL);
    struct err e;
    for (int i = 0; i < 50; i++) { /* made and freed without ever running */
        struct pool *p = threads_new(5, &e);
        assert_non_null(p);
        threads_free(p);
    }
}

/* Every page of the memory is there afterwards, and no other. */
static void test_touch_reaches_every_page(void **state)
{
    (void)state;
    enum { PAGES = 1200 }; /* more than two tasks */
    struct err e;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct pool *p = threads_new(threads, &e);
        assert_non_null(p);
        static unsigned char there[PAGES];
        unsigned char *data =
            mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(data != MAP_FAILED);
        madvise(data, PAGES * page, MADV_NOHUGEPAGE); /* of which one write would bring many */
        pool_touch(p, data, (PAGES - 2) * page + 1);
        assert_int_equal(mincore(data, PAGES * page, there), 0);
        for (size_t i = 0; i < PAGES; i++)
            assert_int_equal(there[i] & 1, i < PAGES - 1);
        for (size_t i = 0; i < (PAGES - 1) * page; i++)
            assert_int_equal(data[i], 0);
        munmap(data, PAGES * page);
        threads_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once),
        cmocka_unit_test(test_without_a_pool_the_caller_does_all),
        cmocka_unit_test(test_all_workers_work),
        cmocka_unit_test(test_sleeping_workers_wake),
        cmocka_unit_test(test_idle_pool_costs_nothing),
        cmocka_unit_test(test_denormals_are_flushed_everywhere),
        cmocka_unit_test(test_signals_are_for_the_caller),
        cmocka_unit_test(test_bad_numbers_of_threads),
        cmocka_unit_test(test_touch_reaches_every_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
