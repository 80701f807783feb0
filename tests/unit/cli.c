/* The command line as a user meets it: a small tool is run with arguments of our choosing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "os/machine.h"
#include "support/childrun.h"

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
    CLI_TEXT('t', "text", &text, "WORDS", "first line\nsecond line"),
    CLI_OPT_TEXT('r', "resume", &resume, "PATH", "value optional"),
    CLI_LIST('p', "prompt", &list, "TEXT", "may be repeated"),
    CLI_CHOICE(0, "a-name-of-great-length", &choice, choices, "FORM", "a choice"),
    CLI_CHOICE(0, "unicode", &choice, choices, "FORM", "none, nfc or nfkc (default nfc)"),
    CLI_CHOICE(0, "some", &some, choices, "FORM", "a part of them", .n_choices = 2),
    CLI_THREADS(&threads, "workers", .old_letter = 'w'),
    CLI_CPU(&level),
};

static const struct cli_tool toy = {
    .name = CHILDRUN_NAME,
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
        childrun(show, cases[i].line, -1);
        childrun_exit(0);
        childrun_part(childrun_got.out, cases[i].part);
        assert_string_equal(childrun_got.err, strstr(childrun_got.out, "quiet=1") ? "" : "talk\n");
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
        {"--text", "option --text needs a value: WORDS"},
        {"--resume=", "--resume: the name is empty"},
        {"-r @", "--resume: the name is empty"},
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
        childrun(show, cases[i].line, -1);
        childrun_exit(2);
        childrun_line(cases[i].part);
        assert_string_equal(childrun_got.out, "");
        assert_null(strchr(childrun_got.err, '\033'));
        assert_null(strchr(childrun_got.err, '\a'));
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
        childrun(show_machine, cases[i].line, -1);
        childrun_exit(0);
        childrun_part(childrun_got.out, cases[i].part);
    }
    childrun(show_machine, "--help", -1);
    childrun_part(childrun_got.out, "\n  -j, --threads N           workers (1 to 1024)\n");
    assert_null(strstr(childrun_got.out, "-w,"));
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
    childrun(show_twice, "-n 3 -p a -j 3", -1);
    childrun_exit(0);
    assert_string_equal(childrun_got.out, "1 0 0 1\n");
}

/* What is meaningless beside --flag, or beside --whole. */
static int show_modes(int argc, char **argv)
{
    static const char *const allowed[] = {"real", NULL};
    static const char *const refused[] = {"text", "prompt", NULL};
    size_t n;
    cli_parse(&toy, argc, argv, &n);
    if (cli_given("flag"))
        cli_allow_only("flag", allowed);
    if (cli_given("whole"))
        cli_refuse("whole", refused);
    puts("taken");
    return cli_finish();
}

static void test_options_without_effect_are_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part; /* NULL: taken */
    } cases[] = {
        {"", NULL},
        {"-f", NULL},
        {"-f --real 1 -q --json", NULL},
        {"-f --text x", "--flag takes no --text"},
        {"-p x -f", "--flag takes no --prompt"},
        {"-f -n 5", "--flag takes no --whole"}, /* its default, but given */
        {"-n 3 --real 1", NULL},
        {"-n 3 -t x", "--whole takes no --text"},
        {"-n 3 -p x", "--whole takes no --prompt"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        childrun(show_modes, cases[i].line, -1);
        childrun_exit(cases[i].part ? 2 : 0);
        if (cases[i].part)
            childrun_line(cases[i].part);
        else
            assert_string_equal(childrun_got.out, "taken\n");
    }
}

static int show_second(int argc, char **argv)
{
    cli_one_of_many(1);
    return show(argc, argv);
}

static void test_one_of_many_tells_of_the_command_line(void **state)
{
    (void)state;
    static const char *const silent[] = {"--help", "--version"};
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        childrun(show_second, silent[i], -1);
        childrun_exit(0);
        assert_string_equal(childrun_got.out, "");
        assert_string_equal(childrun_got.err, "");
    }
    childrun(show_second, "-n x", -1); /* which nobody ends: so it was alone with its mistake */
    childrun_exit(2);
    assert_string_equal(childrun_got.out, "");
    childrun_line("expected a whole number");
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
        "\n  -t, --text WORDS          first line\n                            second line\n",
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
    childrun(show, "-n 3 --help --bogus", -1);
    childrun_exit(0);
    assert_string_equal(childrun_got.err, "");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        childrun_part(childrun_got.out, parts[i]);
    for (char *line = childrun_got.out; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 80 || (n > 0 && line[n - 1] == ' '))
            fail_msg("a line too long or with blanks at its end: '%.*s'", (int)n, line);
        line += n + (line[n] == '\n');
    }
    char all[sizeof childrun_got.out];
    strcpy(all, childrun_got.out);
    childrun(show, "-h", -1);
    assert_string_equal(childrun_got.out, all);
    childrun(show, "-V", -1);
    childrun_exit(0);
    assert_string_equal(childrun_got.out, "toy " BOLT_VERSION "\n");
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
    childrun(without_json, "--json", -1);
    childrun_exit(2);
    childrun(without_json, "--help", -1);
    childrun_exit(0);
    assert_null(strstr(childrun_got.out, "json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_every_type),
        cmocka_unit_test(test_mistakes_are_one_line_and_exit_2),
        cmocka_unit_test(test_threads_and_instruction_set),
        cmocka_unit_test(test_what_was_given_is_of_the_last_parse),
        cmocka_unit_test(test_options_without_effect_are_mistakes),
        cmocka_unit_test(test_one_of_many_tells_of_the_command_line),
        cmocka_unit_test(test_help_is_readable),
        cmocka_unit_test(test_json_only_where_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
