#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "os/machine.h"

enum { FIRST_CODE = 256 }; /* getopt's code of option i is FIRST_CODE + i, beyond any letter */

static bool asked_help;
static bool asked_version;

static const struct cli_option general[] = {
    CLI_HEADING("General options"),
    CLI_FLAG('q', "quiet", &cli.quiet, "print warnings and errors only"),
    CLI_FLAG('v', "verbose", &cli.verbose, "print more"),
    CLI_FLAG('h', "help", &asked_help, "show this help and exit"),
    CLI_FLAG('V', "version", &asked_version, "show the version and exit"),
    CLI_FLAG(0, "json", &cli.json, "report as JSON, one object a line, on standard output"),
};

/* All options of the tool, its own and the general ones; lives until exit. */
static struct {
    struct cli_option *options;
    bool *given;
    size_t n, n_own;
    const char **list_items; /* argc places for each option */
    struct option *longs;    /* for getopt_long */
    char *letters;
} table;

/* A descriptor 0, 1 or 2 that came closed would be taken by the next file opened, and a message
 * would land in it. It is filled so that using it still fails. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(1);
}

/* What a variable cannot hold before parsing. */
static void set_default(const struct cli_option *o)
{
    if (o->given)
        *o->given = false;
    if (o->type == CLI_TYPE_LIST)
        *o->to.list = (struct cli_list){0};
    else if (o->type == CLI_TYPE_THREADS)
        *o->to.number = machine_processors();
    else if (o->type == CLI_TYPE_CPU)
        *o->to.level = cpu_best();
}

/* "x", "x:" with a value, "x::" with an optional one; nothing for the letter 0. */
static char *add_letter(char *at, char letter, int has_value)
{
    if (letter) {
        *at++ = letter;
        for (int i = 0; i < has_value; i++)
            *at++ = ':';
    }
    return at;
}

static void build_table(const struct cli_tool *tool, int argc)
{
    size_t n_general = ARRAY_LEN(general) - !tool->has_json;
    size_t n = tool->n_options + n_general;
    free(table.options);
    free(table.given);
    free(table.list_items);
    free(table.longs);
    free(table.letters);
    table.n = n;
    table.n_own = tool->n_options;
    table.options = calloc(n, sizeof *table.options);
    table.given = calloc(n, sizeof *table.given);
    table.list_items = calloc(n * (size_t)argc + 1, sizeof *table.list_items);
    table.longs = calloc(n + 1, sizeof *table.longs);
    table.letters = calloc(6 * n + 2, 1);
    if (!table.options || !table.given || !table.list_items || !table.longs || !table.letters)
        cli_die("out of memory");
    memcpy(table.options, tool->options, tool->n_options * sizeof *table.options);
    memcpy(table.options + tool->n_options, general, n_general * sizeof *general);
    struct option *next = table.longs;
    char *letter = table.letters;
    *letter++ = ':'; /* tell a missing value from an unknown option, and print nothing */
    for (size_t i = 0; i < n; i++) {
        const struct cli_option *o = &table.options[i];
        set_default(o);
        if (o->type == CLI_TYPE_HEADING)
            continue;
        int has_value = o->type == CLI_TYPE_FLAG       ? no_argument
                        : o->type == CLI_TYPE_OPT_TEXT ? optional_argument
                                                       : required_argument;
        *next++ = (struct option){o->name, has_value, NULL, FIRST_CODE + (int)i};
        letter = add_letter(letter, o->letter, has_value);
        letter = add_letter(letter, o->old_letter, has_value);
    }
}

/* The number is to be all of the text: no blanks, no "nan", no hexadecimal. */
static bool is_plain_number(const char *text, const char *allowed)
{
    return *text && text[strspn(text, allowed)] == '\0';
}

static _Noreturn void refuse_number(const struct cli_option *o, const char *text)
{
    char range[96];
    cli_range_text(range, o);
    const char *kind = o->type == CLI_TYPE_REAL ? "a number" : "a whole number";
    cli_usage(*range ? "--%s: expected %s, %s, found '%s'" : "--%s: expected %s%s, found '%s'",
              o->name, kind, range, text);
}

static long long whole_number(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (!is_plain_number(text, "0123456789+-") || *end || errno || (double)v < o->min ||
        (double)v > o->max)
        refuse_number(o, text);
    return v;
}

static double real_number(const struct cli_option *o, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (!is_plain_number(text, "0123456789+-.eE") || *end || !isfinite(v) || v < o->min ||
        v > o->max)
        refuse_number(o, text);
    return v;
}

static int choice(const struct cli_option *o, const char *text)
{
    char names[256] = "";
    size_t n = 0;
    for (int i = 0; cli_choice(o, i); i++) {
        if (strcmp(o->choices[i], text) == 0)
            return i;
        if (n < sizeof names)
            n +=
                (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", o->choices[i]);
    }
    cli_usage("--%s: expected one of %s, found '%s'", o->name, names, text);
}

static const struct cpu_level *level_of(const struct cli_option *o, const char *text)
{
    const struct cpu_level *level;
    struct err e;
    if (cpu_parse(text, &level, &e))
        cli_usage("--%s: %s", o->name, e.text);
    return level;
}

/* No file has the name "": it is a variable of a script that was not set. */
static void refuse_empty_name(const struct cli_option *o, const char *text)
{
    static const char *const names[] = {"FILE", "DIR", "PATH", "DB"};
    for (size_t i = 0; i < ARRAY_LEN(names) && o->value && text && !*text; i++)
        if (strcmp(o->value, names[i]) == 0)
            cli_usage("--%s: the name is empty", o->name);
}

static void store(size_t index, int argc, const char *text)
{
    const struct cli_option *o = &table.options[index];
    refuse_empty_name(o, text);
    switch (o->type) {
    case CLI_TYPE_HEADING:
        break;
    case CLI_TYPE_FLAG:
        *o->to.flag = true;
        break;
    case CLI_TYPE_INT:
        *o->to.whole = whole_number(o, text);
        break;
    case CLI_TYPE_REAL:
        *o->to.real = real_number(o, text);
        break;
    case CLI_TYPE_TEXT:
    case CLI_TYPE_OPT_TEXT:
        *o->to.text = text ? text : "";
        break;
    case CLI_TYPE_LIST:
        if (o->to.list->n == 0)
            o->to.list->items = table.list_items + index * (size_t)argc;
        o->to.list->items[o->to.list->n++] = text;
        break;
    case CLI_TYPE_CHOICE:
        *o->to.number = choice(o, text);
        break;
    case CLI_TYPE_THREADS:
        *o->to.number = (int)whole_number(o, text);
        break;
    case CLI_TYPE_CPU:
        *o->to.level = level_of(o, text);
        break;
    }
    table.given[index] = true;
    if (o->given)
        *o->given = true;
}

bool cli_given(const char *name)
{
    for (size_t i = 0; i < table.n; i++)
        if (table.given[i] && strcmp(table.options[i].name, name) == 0)
            return true;
    return false;
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

void cli_allow_only(const char *mode, const char *const *allowed)
{
    for (size_t i = 0; i < table.n_own; i++) {
        const char *name = table.options[i].name;
        if (table.given[i] && strcmp(name, mode) != 0 && !is_among(allowed, name))
            cli_usage("--%s takes no --%s", mode, name);
    }
}

void cli_refuse(const char *mode, const char *const *refused)
{
    for (; *refused; refused++)
        if (cli_given(*refused))
            cli_usage("--%s takes no --%s", mode, *refused);
}

static bool has_letter(const struct cli_option *o, int letter)
{
    return letter > 0 && (letter == o->letter || letter == o->old_letter);
}

/* What getopt objected to: ':' a missing value, '?' an unknown option or a value too many. */
static _Noreturn void refuse_option(int code, char **argv)
{
    const struct cli_option *o = NULL;
    for (size_t i = 0; i < table.n; i++)
        if (optopt == FIRST_CODE + (int)i || has_letter(&table.options[i], optopt))
            o = &table.options[i];
    if (code == ':' && o)
        cli_usage("option --%s needs a value: %s", o->name, o->value ? o->value : "VALUE");
    if (o)
        cli_usage("option --%s takes no value", o->name);
    if (optopt > 0)
        cli_usage("unknown option '-%c'", optopt);
    cli_usage("unknown or ambiguous option '%s'", argv[optind - 1]);
}

/* Ends the program after --help or --version. A reader that has seen enough (| head) is no error.
 */
static _Noreturn void finish_text(void)
{
    if (fflush(stdout) != 0) {
        if (errno == EPIPE)
            _exit(0);
        cli_die("standard output: %s", strerror(errno));
    }
    exit(cli_finish());
}

/* "bolt-export" where the program is installed under that name: "try 'export --help'" would send
 * people to the shell's own export. Any other name it was called by stays out of messages. */
static const char *called_by(const char *path, const char *name)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *base = slash ? slash + 1 : path;
    return base && strncmp(base, "bolt-", 5) == 0 && strcmp(base + 5, name) == 0 ? base : name;
}

char **cli_parse(const struct cli_tool *tool, int argc, char **argv, size_t *n_operands)
{
    fill_standard_descriptors();
    setvbuf(stderr, NULL, _IOLBF,
            BUFSIZ); /* a line is one write, so those of two tools do not mix */
    cli_tool_name = called_by(argv[0], tool->name);
    cli_signal_install();
    build_table(tool, argc);
    if (argc == 2 && strcmp(argv[1], "--list-options") == 0) {
        cli_list_options(table.options, table.n, stdout);
        finish_text();
    }
    optind = 0; /* begin anew, also in a program that parses twice */
    int code;
    while ((code = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1) {
        if (code == '?' || code == ':')
            refuse_option(code, argv);
        size_t i = 0;
        if (code >= FIRST_CODE)
            i = (size_t)(code - FIRST_CODE);
        else
            while (!has_letter(&table.options[i], code))
                i++;
        if (table.options[i].type == CLI_TYPE_OPT_TEXT && !optarg && optind < argc &&
            argv[optind][0] != '-')
            optarg = argv[optind++];
        store(i, argc, optarg);
        if (asked_help && !cli_leaves_usage)
            cli_help(tool, table.options, table.n, stdout);
        if (asked_version && !cli_leaves_usage)
            printf("%s %s\n", tool->name, BOLT_VERSION);
        if (asked_help || asked_version)
            finish_text();
    }
    *n_operands = (size_t)(argc - optind);
    return argv + optind;
}
