/* What this process may use of the machine: limits that must hold on any machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/machine.h"

static void test_processors_are_those_we_may_use(void **state)
{
    (void)state;
    int count = machine_processors();
    assert_true(count >= 1);
    assert_true(count <= sysconf(_SC_NPROCESSORS_CONF));
    /* bound to one processor there is one */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cpu_set_t all;
        cpu_set_t one;
        if (sched_getaffinity(0, sizeof all, &all) != 0)
            _exit(2);
        CPU_ZERO(&one);
        for (size_t i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &all)) {
                CPU_SET(i, &one);
                break;
            }
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            _exit(3);
        _exit(machine_processors() == 1 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_memory_is_sane(void **state)
{
    (void)state;
    uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_true(machine_memory() <= physical);
    assert_true(machine_memory() >= 1u << 20);
}

/* Some machines do not tell; none has less than the smallest processors had, or a gigabyte. */
static void test_cache_is_sane(void **state)
{
    (void)state;
    size_t cache = machine_cache();
    if (cache == 0)
        skip();
    assert_in_range(cache, 32 << 10, 1 << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processors_are_those_we_may_use),
        cmocka_unit_test(test_memory_is_sane),
        cmocka_unit_test(test_cache_is_sane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
