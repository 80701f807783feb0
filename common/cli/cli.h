/* cli.h - the command line of all tools: options, messages, progress, JSON, signals.
 *
 * The only place under common/ that prints or exits. stdout is for the product, stderr for
 * messages. Exit codes: 0 done, 1 failed, 2 usage, 128+signal. */
#ifndef CLI_H
#define CLI_H

#include <stdio.h>

#include "base/cpu.h"
#include "base/err.h"

/* A row of a tool's table of options, written with one of the macros below, which tie the kind of
 * value to the type of the variable. A variable holds its default before parsing; where a default
 * depends on more than a constant, `given` says whether to look at the variable at all. */
enum cli_type {
    CLI_TYPE_HEADING,
    CLI_TYPE_FLAG,
    CLI_TYPE_INT,
    CLI_TYPE_REAL,
    CLI_TYPE_TEXT,
    CLI_TYPE_OPT_TEXT,
    CLI_TYPE_LIST,
    CLI_TYPE_CHOICE,
    CLI_TYPE_THREADS,
    CLI_TYPE_CPU
};

struct cli_list { /* values in the order given; items owned by cli (live until exit) */
    const char **items;
    size_t n;
};

struct cli_option {
    enum cli_type type;
    char letter;      /* short name, 0 if none */
    char old_letter;  /* a short name of an earlier version: still taken, not shown; 0 if none */
    const char *name; /* long name without dashes; the text of a heading */
    union {
        bool *flag;
        long long *whole; /* CLI_TYPE_INT */
        double *real;
        const char **text; /* CLI_TYPE_OPT_TEXT too */
        struct cli_list *list;
        int *number; /* CLI_TYPE_CHOICE: index into choices; CLI_TYPE_THREADS */
        const struct cpu_level **level;
    } to;
    double min, max;            /* CLI_TYPE_INT and CLI_TYPE_REAL, inclusive */
    const char *const *choices; /* CLI_TYPE_CHOICE: names, NULL at the end */
    int n_choices;              /* how many of them are offered; 0 for all */
    const char *value;          /* name of the value in --help: "N"; one that is called FILE, DIR,
                                   PATH or DB may not be empty */
    const char *help;           /* one or more lines, without a final newline; state the default */
    bool *given; /* set to whether the option was given; NULL if nobody asks. A list's n says it */
};

/* The rows. The help text comes last and may be followed by other members:
 *     CLI_INT('b', "batch", &o.batch, 1, 65536, "B", "sequences a batch", .given = &o.given.batch)
 */
#define CLI_HEADING(TEXT)                         \
    {                                             \
        .type = CLI_TYPE_HEADING, .name = (TEXT), \
    }
#define CLI_ROW(TYPE, LETTER, NAME, ...)                                \
    {                                                                   \
        .type = (TYPE), .letter = (LETTER), .name = (NAME), __VA_ARGS__ \
    }
/* bool *: --name sets it */
#define CLI_FLAG(LETTER, NAME, TO, ...) \
    CLI_ROW(CLI_TYPE_FLAG, LETTER, NAME, .to.flag = (TO), .help = __VA_ARGS__)
/* long long *: a whole number in [min, max] */
#define CLI_INT(LETTER, NAME, TO, MIN, MAX, VALUE, ...)                               \
    CLI_ROW(CLI_TYPE_INT, LETTER, NAME, .to.whole = (TO), .min = (MIN), .max = (MAX), \
            .value = (VALUE), .help = __VA_ARGS__)
/* double *: a number in [min, max] */
#define CLI_REAL(LETTER, NAME, TO, MIN, MAX, VALUE, ...)                              \
    CLI_ROW(CLI_TYPE_REAL, LETTER, NAME, .to.real = (TO), .min = (MIN), .max = (MAX), \
            .value = (VALUE), .help = __VA_ARGS__)
/* const char ** */
#define CLI_TEXT(LETTER, NAME, TO, VALUE, ...) \
    CLI_ROW(CLI_TYPE_TEXT, LETTER, NAME, .to.text = (TO), .value = (VALUE), .help = __VA_ARGS__)
/* const char **: the value is optional, "" when the next argument begins with '-' or there is none
 */
#define CLI_OPT_TEXT(LETTER, NAME, TO, VALUE, ...) \
    CLI_ROW(CLI_TYPE_OPT_TEXT, LETTER, NAME, .to.text = (TO), .value = (VALUE), .help = __VA_ARGS__)
/* struct cli_list *: may be given many times */
#define CLI_LIST(LETTER, NAME, TO, VALUE, ...) \
    CLI_ROW(CLI_TYPE_LIST, LETTER, NAME, .to.list = (TO), .value = (VALUE), .help = __VA_ARGS__)
/* int *: one of the names */
#define CLI_CHOICE(LETTER, NAME, TO, CHOICES, VALUE, ...)                           \
    CLI_ROW(CLI_TYPE_CHOICE, LETTER, NAME, .to.number = (TO), .choices = (CHOICES), \
            .value = (VALUE), .help = __VA_ARGS__)

/* Rows that several tools have, with one meaning in all of them. */

/* int *: 1 to 1024; the processors this process may use if it is not given. The text says what the
 * threads do. */
#define CLI_THREADS(TO, ...)                                                            \
    CLI_ROW(CLI_TYPE_THREADS, 'j', "threads", .to.number = (TO), .min = 1, .max = 1024, \
            .value = "N", .help = __VA_ARGS__)
/* const struct cpu_level **: the instruction set; the best there is if it is not given */
#define CLI_CPU(TO)                                                     \
    CLI_ROW(CLI_TYPE_CPU, 0, "cpu", .to.level = (TO), .value = "LEVEL", \
            .help = "instruction set: auto, " CPU_LEVEL_NAMES " (default auto)")
/* long long *: 0, or for how many threads to print a plan (cli_plan) */
#define CLI_PLAN_THREADS(TO)                                                                   \
    CLI_INT(0, "plan-threads", TO, 2, 1024, "N",                                               \
            "on one thread, taking the time of each task, print what N threads would take: a " \
            "projection")
/* long long *: any number that a double holds exactly */
#define CLI_SEED(TO, ...) CLI_INT(0, "seed", TO, 0, 1e15, "N", __VA_ARGS__)

struct cli_tool {
    const char *name;     /* "prep" */
    const char *synopsis; /* "[options] -o DIR INPUT..." */
    const char *summary;  /* one sentence: what it does */
    const char *epilog;   /* further help after the options, e.g. examples; may be NULL */
    const struct cli_option *options;
    size_t n_options;
    bool has_json; /* --json is offered */
};

/* Set by cli_parse; read anywhere in a tool. */
enum { CLI_WIDTH = 80 }; /* columns of --help, and of what is said line by line */

struct cli_settings {
    bool quiet;   /* -q: no messages but errors */
    bool verbose; /* -v */
    bool json;    /* --json: one object a line on stdout, and nothing else */
};
extern struct cli_settings cli;

/* Of many processes that do one thing together one talks; this one does not, but for errors. */
void cli_fall_silent(void);

/* To be called before cli_parse by process `number` of many that were given one command line: its
 * mistakes, --help and --version are left to number 0. Of the others, those that got help or the
 * version just end, and those that met a mistake wait to be ended with number 0; one that is still
 * there after 5 seconds was alone with its mistake, and tells it. */
void cli_one_of_many(int number);

/* Parses argv: options and operands in any order, "--name value", "--name=value", "-n5", "-n 5",
 * "--" ends options; long names may be cut short while unambiguous, as getopt_long has it.
 * -h/--help (stdout, exit 0), -V/--version, -q/--quiet, -v/--verbose and --json are added here. Any
 * mistake is one line on stderr and exit 2. Also ignores SIGPIPE, so a closed pipe is an error of
 * the write. --list-options alone prints the table for the completion of command lines and is in no
 * help. Returns the operands, which are NULL-terminated. */
char **cli_parse(const struct cli_tool *tool, int argc, char **argv, size_t *n_operands);

/* Whether the last cli_parse met the option of this long name. */
bool cli_given(const char *name);

/* What an option makes meaningless is wrong usage, not ignored: ends with "--mode takes no --other"
 * (cli_usage) if any of the tool's options but `mode` and those of `allowed`, or any of `refused`,
 * was given. Both are long names, NULL at the end. */
void cli_allow_only(const char *mode, const char *const *allowed);
void cli_refuse(const char *mode, const char *const *refused);

/* "tool: message\n" on stderr; control bytes in it are made harmless. */
void cli_warn(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same, then removes temporaries (file_out_cleanup) and exits 1. */
_Noreturn void cli_die(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same with " (try 'tool --help')" and exit 2. */
_Noreturn void cli_usage(const char *format, ...) PRINTF_LIKE(1, 2);
/* Ends with the error that a function reported: ERR_USAGE as cli_usage, all else as cli_die. */
_Noreturn void cli_fail(const struct err *e);
/* A message: stderr unless quiet. No prefix, no newline added; control bytes but newline and tab
 * are made harmless. At most 4095 bytes a call. */
void cli_say(const char *format, ...) PRINTF_LIKE(1, 2);

/* Flushes and closes stdout; a failure is an error: "standard output: No space left on device". To
 * be the last call of main: `return cli_finish();` gives 0, 1 after an error, or 128+signal if a
 * signal was caught (cli_catch). */
int cli_finish(void);

/* Handlers for SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU. Without cli_catch they remove
 * temporaries and die by the signal, so that the shell sees 128+signal (cli_parse installs this).
 * After cli_catch the first signal is only noted in cli_caught (0 if none) for the tool to finish
 * its step; a second one kills. One within half a second, whichever, is still the first: timeout(1)
 * sends each to the process and to its group, and systemd sends SIGHUP right after SIGTERM. So is
 * any further SIGXCPU, which comes every second.
 * SIGBUS, when a mapped file was cut short while in use, is the one error line and exit 1. */
#define CLI_SAME_SIGNAL_SECONDS 0.5
void cli_catch(void);
int cli_caught(void);

/* A progress line: on a terminal redrawn a few times a second, else a plain line every 30 s;
 * nothing when quiet. `total` 0 is unknown. Call from one thread. */
struct cli_progress {
    const char *label;
    double start; /* seconds, monotonic */
    double last;
    double first; /* share that was done before the start (a run resumed); 0 unless set after it */
    bool terminal;
    bool shown;
};
void cli_progress_start(struct cli_progress *p, const char *label);
/* detail, e.g. "12.3 MB/s, 4,000 stories"; share done in [0,1] or < 0 if unknown: prints percentage
 * and ETA from it. */
void cli_progress_update(struct cli_progress *p, double share, const char *detail);
void cli_progress_end(struct cli_progress *p); /* clears the line */

/* --plan-threads N: prints a plan (os/plan.h) for N threads to stdout, phase by phase, or with
 * --json as one object: projected_threads, phases, and under the key `all` their sum, each with ms
 * (on one thread), rounds, tasks, serial_ms, projected_ms, efficiency. */
struct plan;
void cli_plan(const struct plan *p, int n_threads, const char *const *names, int n_phases,
              const char *all);

/* Texts for people; each returns buf. */
const char *cli_count_text(char buf[32], uint64_t n);        /* 4,364,736 */
const char *cli_bytes_text(char buf[32], uint64_t n);        /* 19.1 MB (powers of 1000) */
const char *cli_duration_text(char buf[32], double seconds); /* 1h02m, 3m05s, 12.3s */

/* A JSON writer: one object on one line. Strings are escaped; bytes that are not UTF-8 become
 * U+FFFD; NaN and infinities are null. */
struct cli_json {
    FILE *out;
    bool first[16];
    int depth;
};
void cli_json_begin(struct cli_json *j, FILE *out); /* "{" */
void cli_json_end(struct cli_json *j);              /* "}\n" */
void cli_json_text(struct cli_json *j, const char *key, const char *value);
void cli_json_bytes(struct cli_json *j, const char *key, const char *value, size_t n);
void cli_json_int(struct cli_json *j, const char *key, int64_t value);
void cli_json_uint(struct cli_json *j, const char *key, uint64_t value);
void cli_json_real(struct cli_json *j, const char *key,
                   double value); /* shortest that returns exactly */
void cli_json_bool(struct cli_json *j, const char *key, bool value);
void cli_json_object(struct cli_json *j, const char *key); /* key NULL inside an array */
void cli_json_object_end(struct cli_json *j);
void cli_json_array(struct cli_json *j, const char *key);
void cli_json_array_end(struct cli_json *j);
void cli_json_item_uint(struct cli_json *j, uint64_t value); /* in an array */
void cli_json_item_real(struct cli_json *j, double value);

/* Prints text from a model or a file to a terminal-safe stream: when `terminal`, control characters
 * but newline and tab are shown as U+FFFD. So is, always, what is not UTF-8. Whole UTF-8 characters
 * only; state carries an unfinished character between calls. */
struct cli_utf8 {
    char pending[4];
    int n_pending;
    bool terminal;
};
void cli_utf8_write(struct cli_utf8 *u, FILE *out, const char *text, size_t n);
void cli_utf8_flush(struct cli_utf8 *u, FILE *out); /* an unfinished rest becomes U+FFFD */

#endif
