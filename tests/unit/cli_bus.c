/* A mapped file that is cut short while a program reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "cli/cli.h"
#include "support/scratch.h"

/* The program: an output in the making, a file mapped and cut, and a look at what is gone. */
static _Noreturn void read_a_lost_page(const char *file, const char *output)
{
    static bool flag;
    static const struct cli_option options[] = {CLI_FLAG('f', "flag", &flag, "a flag")};
    static const struct cli_tool toy = {
        .name = "toy", .synopsis = "", .summary = "", .options = options, .n_options = 1};
    char *argv[] = {(char[]){"toy"}, NULL};
    size_t n;
    struct file_out o;
    struct file_map m;
    struct err e;
    cli_parse(&toy, 1, argv, &n);
    if (file_out_open(&o, output, &e) != 0 || file_map(&m, file, &e) != 0 || truncate(file, 0) != 0)
        _exit(9);
    _exit(*(const volatile unsigned char *)m.data ? 8 : 7);
}

static void test_a_file_cut_short_is_an_error(void **state)
{
    (void)state;
    char file[256], output[256], text[1024], expected[512];
    int fds[2], status;
    snprintf(file, sizeof file, "%s", scratch_path("some\nfile"));
    snprintf(output, sizeof output, "%s", scratch_path("output"));
    scratch_write(file, "some bytes", 10);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        read_a_lost_page(file, output);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    *strchr(file, '\n') = '?';
    snprintf(expected, sizeof expected,
             "toy: %s: cannot read: it was cut short while in use, or its disk fails\n", file);
    assert_string_equal(text, expected);
    assert_int_equal(scratch_count(), 1); /* no temporary */
}

static void test_a_map_is_known_while_it_lasts(void **state)
{
    (void)state;
    struct file_map m;
    struct err e;
    const char *path = scratch_path("map");
    scratch_write(path, "some bytes", 10);
    assert_int_equal(file_map(&m, path, &e), 0);
    const unsigned char *data = m.data;
    assert_string_equal(file_map_at(data + 9), path);
    assert_null(file_map_at(&m));
    assert_null(file_map_at(NULL));
    file_unmap(&m);
    assert_null(file_map_at(data));
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_map_is_known_while_it_lasts),
        cmocka_unit_test(test_a_file_cut_short_is_an_error),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
