/* The command line as a user meets it: a small tool is run in a child with arguments and streams of
 * our choosing, and its exit status, output and error line are looked at. */
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

#include "os/file.h"
#include "cli/cli.h"
#include "os/machine.h"

/* ------------------------------------------------------------------------------------ the tool */

static bool flag;
static long long whole = 5;
static long long seed;
static double real = 0.5;
static const char *text = "(none)";
static const char *resume;
static struct cli_list list;
static int choice = 1;
static int some;
static int threads;
static const struct cpu_level *level;
static bool whole_given;
static const char *const choices[] = {"none", "nfc", "nfkc", NULL};

static const struct cli_option options[] = {
    CLI_HEADING("Input and output"),
    CLI_FLAG('f', "flag", &flag, "a flag"),
    CLI_INT('n', "whole", &whole, -3, 1000, "N",
            "a whole number with a description that is too long for one line of help (default 5)",
            .given = &whole_given),
    CLI_INT(0, "seed", &seed, 0, 9.3e18, "N", "any number"),
    CLI_REAL(0, "real", &real, 1e-6, 2.5, "F", "a real number"),
    CLI_TEXT('t', "text", &text, "FILE", "first line\nsecond line"),
    CLI_OPT_TEXT('r', "resume", &resume, "PATH", "value optional"),
    CLI_LIST('p', "prompt", &list, "TEXT", "may be repeated"),
    CLI_CHOICE(0, "a-name-of-great-length", &choice, choices, "FORM", "a choice"),
    CLI_CHOICE(0, "unicode", &choice, choices, "FORM", "none, nfc or nfkc (default nfc)"),
    CLI_CHOICE(0, "some", &some, choices, "FORM", "a part of them", .n_choices = 2),
    CLI_THREADS(&threads, "workers", .old_letter = 'w'),
    CLI_CPU(&level),
};

static const struct cli_tool toy = {
    .name = "toy",
    .synopsis =
        "[options] -o DIR INPUT... and more operands than fit on one line of the usage text",
    .summary = "Shows what it was given.",
    .epilog = "Example:\n  toy -n 3 file",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

static int show(int argc, char **argv)
{
    size_t n;
    char **operands = cli_parse(&toy, argc, argv, &n);
    printf("flag=%d whole=%lld seed=%lld real=%g text=%s resume=%s choice=%s", flag, whole, seed,
           real, text, resume ? resume : "(null)", choices[choice]);
    printf(" quiet=%d verbose=%d json=%d given=%d%d", cli.quiet, cli.verbose, cli.json, whole_given,
           list.n > 0);
    for (size_t i = 0; i < list.n; i++)
        printf(" {%s}", list.items[i]);
    for (size_t i = 0; i < n; i++)
        printf(" [%s]", operands[i]);
    printf(operands[n] ? " NOT TERMINATED\n" : "\n");
    cli_say("talk\n");
    return cli_finish();
}

static int show_machine(int argc, char **argv)
{
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    printf("%s %s, %d\n", threads == machine_processors() ? "all" : "some", level->name, threads);
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

/* -------------------------------------------------------------------------------- running it */

static struct {
    int status; /* as from waitpid */
    char out[8192];
    char err[8192];
} got;

static void slurp(int fd, char *buf, size_t size)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ssize_t n = read(fd, buf, size - 1);
    assert_true(n >= 0);
    buf[n] = '\0';
    close(fd);
}

static int scratch_file(void)
{
    char path[] = "/tmp/cli-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

/* Runs body with the arguments in `line`, separated by blanks ("\1" stands for a blank, "@" alone
 * for an empty argument). Output goes to out_fd, or into got.out if it is -1; -2 closes it. */
static void run(int (*body)(int, char **), const char *line, int out_fd)
{
    int out = scratch_file();
    int err = scratch_file();
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char copy[1024];
        char *argv[40] = {(char[]){"toy"}};
        int argc = 1;
        snprintf(copy, sizeof copy, "%s", line);
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
            for (char *p = word; *p; p++)
                *p = *p == '\1' ? ' ' : *p;
            argv[argc++] = strcmp(word, "@") == 0 ? word + 1 : word;
        }
        dup2(err, STDERR_FILENO);
        if (out_fd == -2)
            close(STDOUT_FILENO);
        else
            dup2(out_fd >= 0 ? out_fd : out, STDOUT_FILENO);
        exit(body(argc, argv));
    }
    assert_int_equal(waitpid(child, &got.status, 0), child);
    slurp(out, got.out, sizeof got.out);
    slurp(err, got.err, sizeof got.err);
}

static void assert_exit(int want)
{
    if (!WIFEXITED(got.status) || WEXITSTATUS(got.status) != want)
        fail_msg("status %#x, expected exit %d; stderr: %s", (unsigned)got.status, want, got.err);
}

static void assert_part(const char *where, const char *part)
{
    if (!strstr(where, part))
        fail_msg("'%s' does not contain '%s'", where, part);
}

static void assert_one_line(const char *part)
{
    assert_part(got.err, part);
    assert_int_equal(strncmp(got.err, "toy: ", 5), 0);
    assert_ptr_equal(strchr(got.err, '\n'), got.err + strlen(got.err) - 1);
}

/* ------------------------------------------------------------------------------------ options */

static void test_options_of_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"",
         "flag=0 whole=5 seed=0 real=0.5 text=(none) resume=(null) choice=nfc quiet=0 verbose=0 "
         "json=0 given=00\n"},
        {"-f -n7 -t x -r y -p a -p b", "flag=1 whole=7 seed=0 real=0.5 text=x resume=y"},
        {"-p a --prompt=b -p\1c --prompt d", "given=01 {a} {b} { c} {d}\n"},
        {"--flag --whole=-3 --real 2.5 --text=", "flag=1 whole=-3 seed=0 real=2.5 text= resume="},
        {"-n 1000 -n +2", "whole=2 "},
        {"--seed 9223372036854775807", "seed=9223372036854775807 "},
        {"--real 1e-6", "real=1e-06"},
        {"--real .5e0", "real=0.5"},
        {"--whole=7", "given=10"},
        {"--a-name-of-great-length nfkc", "choice=nfkc"},
        {"--a-name-of-great-length=none", "choice=none"},
        {"one -f two", "flag=1"},
        {"one -f two", "[one] [two]\n"},
        {"one -- -f --bogus", "[one] [-f] [--bogus]\n"},
        {"- x", "[-] [x]\n"},
        {"@", " []\n"},
        {"-t -", "text=-"},
        {"-t @ x", "text= resume="},
        {"-fn3", "flag=1 whole=3 "},
        {"-fqv",
         "flag=1 whole=5 seed=0 real=0.5 text=(none) resume=(null) choice=nfc quiet=1 verbose=1"},
        {"--json", "json=1"},
        {"--resume", "resume= choice"},
        {"--resume -f", "resume= choice"},
        {"--resume=x", "resume=x"},
        {"one --resume path two", "resume=path"},
        {"one --resume path two", "[one] [two]\n"},
        {"one -rpath two", "resume=path"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(show, cases[i].line, -1);
        assert_exit(0);
        assert_part(got.out, cases[i].part);
        assert_string_equal(got.err, strstr(got.out, "quiet=1") ? "" : "talk\n");
    }
}

static void test_mistakes_are_one_line_and_exit_2(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"--bogus", "unknown or ambiguous option '--bogus' (try 'toy --help')"},
        {"--bogus=3", "'--bogus=3'"},
        {"-x", "unknown option '-x'"},
        {"-fx", "unknown option '-x'"},
        {"-n", "option --whole needs a value: N"},
        {"--text", "option --text needs a value: FILE"},
        {"--flag=1", "option --flag takes no value"},
        {"--quiet=1", "option --quiet takes no value"},
        {"-n 1001", "--whole: expected a whole number, -3 to 1000, found '1001'"},
        {"-n -4", "found '-4'"},
        {"-n 1.0", "found '1.0'"},
        {"-n 1e2", "found '1e2'"},
        {"-n 0x10", "found '0x10'"},
        {"-n 12k", "found '12k'"},
        {"-n @", "found ''"},
        {"-n \1"
         "1",
         "found ' 1'"},
        {"-n 1\1", "found '1 '"},
        {"-n -", "found '-'"},
        {"-n 99999999999999999999", "found '99999999999999999999'"},
        {"--seed 9223372036854775808", "--seed: expected a whole number, at least 0, found"},
        {"--seed -1", "at least 0, found '-1'"},
        {"--real 0", "--real: expected a number, 1e-06 to 2.5, found '0'"},
        {"--real 2.6", "found '2.6'"},
        {"--real nan", "found 'nan'"},
        {"--real inf", "found 'inf'"},
        {"--real 1e", "found '1e'"},
        {"--real 0x1p0", "found '0x1p0'"},
        {"--real 1,5", "found '1,5'"},
        {"--real 1e999", "found '1e999'"},
        {"--a-name-of-great-length nfd",
         "--a-name-of-great-length: expected one of none, nfc, nfkc, found 'nfd'"},
        {"--a-name-of-great-length @", "found ''"},
        {"--threads 0", "--threads: expected a whole number, 1 to 1024, found '0'"},
        {"-w x", "--threads: expected a whole number, 1 to 1024, found 'x'"},
        {"-w", "option --threads needs a value: N"},
        {"--some nfkc", "--some: expected one of none, nfc, found 'nfkc'"},
        {"--cpu sse", "--cpu: unknown instruction set 'sse' (expected auto, c, "},
        {"\033[31mx --\033]0;y\a", "unknown"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(show, cases[i].line, -1);
        assert_exit(2);
        assert_one_line(cases[i].part);
        assert_string_equal(got.out, "");
        assert_null(strchr(got.err, '\033'));
        assert_null(strchr(got.err, '\a'));
    }
}

static void test_threads_and_instruction_set(void **state)
{
    (void)state;
    char best[64];
    snprintf(best, sizeof best, "all %s, ", cpu_best()->name);
    const struct {
        const char *line, *part;
    } cases[] = {
        {"", best},          {"--cpu auto", best},     {"--cpu c", "all c, "},
        {"-j 77", ", 77\n"}, {"--threads=1", ", 1\n"}, {"-w 78", ", 78\n"}, /* as it was once */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(show_machine, cases[i].line, -1);
        assert_exit(0);
        assert_part(got.out, cases[i].part);
    }
    run(show_machine, "--help", -1);
    assert_part(got.out, "\n  -j, --threads N           workers (1 to 1024)\n");
    assert_null(strstr(got.out, "-w,"));
}

/* A program that parses twice begins anew. */
static int show_twice(int argc, char **argv)
{
    char *nothing[] = {argv[0], NULL};
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    bool first = whole_given && list.n == 1 && threads == 3;
    cli_parse(&toy, 1, nothing, &n);
    printf("%d %d %zu %d\n", first, whole_given, list.n, threads == machine_processors());
    return cli_finish();
}

static void test_what_was_given_is_of_the_last_parse(void **state)
{
    (void)state;
    run(show_twice, "-n 3 -p a -j 3", -1);
    assert_exit(0);
    assert_string_equal(got.out, "1 0 0 1\n");
}

static void test_help_is_readable(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "Usage: toy [options] -o DIR INPUT...",
        "\n\nShows what it was given.\n",
        "\nInput and output:\n  -f, --flag                a flag\n",
        "\n  -n, --whole N             a whole number with a description that is too long",
        "\n                            ",
        "(default 5; -3 to 1000)\n",
        "\n      --seed N              any number (at least 0)\n",
        "\n      --real F              a real number (1e-06 to 2.5)\n",
        "\n  -t, --text FILE           first line\n                            second line\n",
        "\n  -r, --resume [PATH]       value optional\n",
        "\n      --a-name-of-great-length FORM\n                            a choice (one of",
        "(one of none, nfc, nfkc)\n",
        "\n      --unicode FORM        none, nfc or nfkc (default nfc)\n",
        "\n      --some FORM           a part of them (one of none, nfc)\n",
        "\n  -h, --help ",
        "\n  -V, --version ",
        "\n  -q, --quiet ",
        "\n  -v, --verbose ",
        "\n      --json ",
        "\nExample:\n  toy -n 3 file\n",
    };
    run(show, "-n 3 --help --bogus", -1);
    assert_exit(0);
    assert_string_equal(got.err, "");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_part(got.out, parts[i]);
    for (char *line = got.out; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 80 || (n > 0 && line[n - 1] == ' '))
            fail_msg("a line too long or with blanks at its end: '%.*s'", (int)n, line);
        line += n + (line[n] == '\n');
    }
    char all[sizeof got.out];
    strcpy(all, got.out);
    run(show, "-h", -1);
    assert_string_equal(got.out, all);
    run(show, "-V", -1);
    assert_exit(0);
    assert_string_equal(got.out, "toy " BOLT_VERSION "\n");
}

static int without_json(int argc, char **argv)
{
    struct cli_tool plain = toy;
    size_t n;
    plain.has_json = false;
    cli_parse(&plain, argc, argv, &n);
    return cli_finish();
}

static void test_json_only_where_offered(void **state)
{
    (void)state;
    run(without_json, "--json", -1);
    assert_exit(2);
    run(without_json, "--help", -1);
    assert_exit(0);
    assert_null(strstr(got.out, "json"));
}

/* ------------------------------------------------------------------------------------ streams */

static void test_lost_output_is_an_error(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    static int (*const bodies[])(int, char **) = {show, show_much};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        run(bodies[i], "-q", full);
        assert_exit(1);
        assert_one_line("toy: standard output: No space left on device");
    }
    run(show, "--help", full);
    assert_exit(1);
    assert_one_line("toy: standard output: No space left on device");
    close(full);
    run(show, "-q", -2); /* >&- */
    assert_exit(1);
    assert_one_line("toy: standard output: Bad file descriptor");
    run(without_json, "", -2); /* but nothing was to be written there */
    assert_exit(0);
    assert_string_equal(got.err, "");
}

static void test_closed_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    run(show_much, "-q", ends[1]);
    assert_exit(1);
    assert_one_line("toy: standard output: Broken pipe");
    run(show, "--help", ends[1]); /* as of | head: whoever read it has seen enough */
    assert_exit(0);
    assert_string_equal(got.err, "");
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
    run(complain, "-q", -1); /* errors show in quiet mode too */
    assert_exit(1);
    assert_string_equal(got.err, "toy: file: bad name \xEF\xBF\xBD[2J \xEF\xBF\xBD \xEF\xBF\xBD é\n"
                                 "toy: the end\n");
    run(complain_long, "", -1);
    assert_exit(2);
    assert_one_line("xxx");
    assert_part(got.err, " (try 'toy --help')\n");
}

/* ------------------------------------------------------------------------------------ signals */

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
        run(hold_a_file, line, -1); /* dies by the signal */
        assert_true(WIFSIGNALED(got.status));
        assert_int_equal(WTERMSIG(got.status), fatal[i]);
        assert_true(folder_is_empty());
        snprintf(line, sizeof line, "-f %d %d", fatal[i], SIGTERM);
        run(hold_a_file, line, -1); /* the second kills */
        assert_true(WIFSIGNALED(got.status));
        assert_int_equal(WTERMSIG(got.status), SIGTERM);
        assert_true(folder_is_empty());
        /* the first is noted, also when it comes twice at once */
        snprintf(line, sizeof line, "-f -p once %d %d", fatal[i], fatal[i]);
        run(hold_a_file, line, -1);
        assert_exit(128 + fatal[i]);
        char path[128];
        snprintf(path, sizeof path, "%s/out", folder);
        assert_int_equal(unlink(path), 0);
        assert_true(folder_is_empty());
    }
    run(hold_a_file, "", -1);
    assert_exit(1);
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
    run(raise_hangup, "", -1);
    signal(SIGHUP, SIG_DFL);
    assert_exit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_every_type),
        cmocka_unit_test(test_mistakes_are_one_line_and_exit_2),
        cmocka_unit_test(test_threads_and_instruction_set),
        cmocka_unit_test(test_what_was_given_is_of_the_last_parse),
        cmocka_unit_test(test_help_is_readable),
        cmocka_unit_test(test_json_only_where_offered),
        cmocka_unit_test(test_lost_output_is_an_error),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_warnings_cannot_harm),
        cmocka_unit_test(test_signals_leave_nothing_behind),
        cmocka_unit_test(test_ignored_signals_stay_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
