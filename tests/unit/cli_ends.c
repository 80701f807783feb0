/* How a tool ends: output that is lost, errors and warnings, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "os/file.h"
#include "support/childrun.h"

static bool flag;
static struct cli_list list;

static const struct cli_option options[] = {
    CLI_FLAG('f', "flag", &flag, "a flag"),
    CLI_LIST('p', "prompt", &list, "TEXT", "may be repeated"),
};

static const struct cli_tool toy = {.name = CHILDRUN_NAME,
                                    .synopsis = "",
                                    .summary = "",
                                    .options = options,
                                    .n_options = ARRAY_LEN(options)};

static int show(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    puts("shown");
    return cli_finish();
}

static int show_nothing(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    return cli_finish();
}

static int show_much(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    for (int i = 0; i < 100000; i++)
        puts("more than any buffer holds");
    return cli_finish();
}

/* ---- streams ----------------------------------------------------------------------------------
 */

static void test_lost_output_is_an_error(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    static int (*const bodies[])(int, char **) = {show, show_much};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        childrun(bodies[i], "-q", full);
        childrun_exit(1);
        childrun_line("toy: standard output: No space left on device");
    }
    childrun(show, "--help", full);
    childrun_exit(1);
    childrun_line("toy: standard output: No space left on device");
    close(full);
    childrun(show, "-q", -2); /* >&- */
    childrun_exit(1);
    childrun_line("toy: standard output: Bad file descriptor");
    childrun(show_nothing, "", -2); /* but nothing was to be written there */
    childrun_exit(0);
    assert_string_equal(childrun_got.err, "");
}

static void test_closed_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    childrun(show_much, "-q", ends[1]);
    childrun_exit(1);
    childrun_line("toy: standard output: Broken pipe");
    childrun(show, "--help", ends[1]); /* as of | head: whoever read it has seen enough */
    childrun_exit(0);
    assert_string_equal(childrun_got.err, "");
    close(ends[1]);
}

static int complain(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    cli_warn("%s: bad\nname \033[2J \x9b \xc2\x9b é", "file");
    cli_die("%s", "the end");
}

static int complain_long(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    cli_usage("%s", long_text);
}

static void test_warnings_cannot_harm(void **state)
{
    (void)state;
    childrun(complain, "-q", -1); /* errors show in quiet mode too */
    childrun_exit(1);
    assert_string_equal(childrun_got.err,
                        "toy: file: bad name \xEF\xBF\xBD[2J \xEF\xBF\xBD \xEF\xBF\xBD é\n"
                        "toy: the end\n");
    childrun(complain_long, "", -1);
    childrun_exit(2);
    childrun_line("xxx");
    childrun_part(childrun_got.err, " (try 'toy --help')\n");
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static char folder[64];

static int hold_a_file(int argc, char **argv)
{
    size_t n;
    struct file_out o;
    struct err e;
    char path[128];
    char **operands = cli_parse(&toy, argc, argv, &n);
    snprintf(path, sizeof path, "%s/out", folder);
    if (file_out_open(&o, path, &e) != 0 || file_out_write(&o, "x", 1, &e) != 0)
        return 9;
    if (n == 0)
        cli_die("dying with a file open");
    if (flag)
        cli_catch();
    for (size_t i = 0; i < n; i++) {
        struct timespec pause = {.tv_nsec = (long)(1.1e9 * CLI_SAME_SIGNAL_SECONDS)};
        if (i > 0 && list.n == 0)
            nanosleep(&pause, NULL);
        raise(atoi(operands[i]));
    }
    if (cli_caught() != atoi(operands[0]))
        return 8;
    return file_out_commit(&o, &e) == 0 ? cli_finish() : 7;
}

static bool folder_is_empty(void)
{
    return rmdir(folder) == 0 && mkdir(folder, 0700) == 0;
}

static bool folder_had_the_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/out", folder);
    return unlink(path) == 0 && folder_is_empty();
}

static void test_signals_leave_nothing_behind(void **state)
{
    (void)state;
    char line[32];
    static const int fatal[] = {SIGINT, SIGTERM, SIGHUP};
    strcpy(folder, "/tmp/cli-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        signal(fatal[i], SIG_DFL);
        snprintf(line, sizeof line, "%d", fatal[i]);
        childrun(hold_a_file, line, -1); /* dies by the signal */
        assert_true(WIFSIGNALED(childrun_got.status));
        assert_int_equal(WTERMSIG(childrun_got.status), fatal[i]);
        assert_true(folder_is_empty());
        snprintf(line, sizeof line, "-f %d %d", fatal[i], SIGTERM);
        childrun(hold_a_file, line, -1); /* the second kills */
        assert_true(WIFSIGNALED(childrun_got.status));
        assert_int_equal(WTERMSIG(childrun_got.status), SIGTERM);
        assert_true(folder_is_empty());
        /* the first is noted, also when it comes twice at once */
        snprintf(line, sizeof line, "-f -p once %d %d", fatal[i], fatal[i]);
        childrun(hold_a_file, line, -1);
        childrun_exit(128 + fatal[i]);
        assert_true(folder_had_the_file());
    }
    /* a system that goes down sends one right after the other */
    snprintf(line, sizeof line, "-f -p once %d %d", SIGTERM, SIGHUP);
    childrun(hold_a_file, line, -1);
    childrun_exit(128 + SIGTERM);
    assert_true(folder_had_the_file());
    /* a limit on processor time that is reached after another signal */
    snprintf(line, sizeof line, "-f %d %d", SIGTERM, SIGXCPU);
    childrun(hold_a_file, line, -1);
    childrun_exit(128 + SIGTERM);
    assert_true(folder_had_the_file());
    childrun(hold_a_file, "", -1);
    childrun_exit(1);
    assert_true(folder_is_empty());
    rmdir(folder);
}

static int raise_hangup(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    raise(SIGHUP);
    return cli_finish();
}

static void test_ignored_signals_stay_ignored(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_IGN); /* as of nohup */
    childrun(raise_hangup, "", -1);
    signal(SIGHUP, SIG_DFL);
    childrun_exit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_output_is_an_error),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_warnings_cannot_harm),
        cmocka_unit_test(test_signals_leave_nothing_behind),
        cmocka_unit_test(test_ignored_signals_stay_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
