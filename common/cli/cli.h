/* cli.h - the command line of all tools: options, talk, progress, JSON, signals.
 *
 * The only place under common/ that prints or exits. stdout is the product, stderr is talk. Exit
 * codes: 0 done, 1 failed, 2 usage, 128+signal. */
#ifndef CLI_H
#define CLI_H

#include <stdio.h>

#include "base/err.h"

enum cli_type {
    CLI_FLAG,     /* bool *           --name sets true */
    CLI_INT,      /* long long *      whole number in [min, max] */
    CLI_REAL,     /* double *         number in [min, max] */
    CLI_TEXT,     /* const char ** */
    CLI_OPT_TEXT, /* const char **    value optional: "" when the next argument begins with '-' or
                     ends */
    CLI_LIST,     /* struct cli_list * may be given many times, in order */
    CLI_CHOICE,   /* int *            index into choices */
    CLI_HEADING   /* no option: a heading in --help */
};

struct cli_list { /* values in the order given; items owned by cli (live until exit) */
    const char **items;
    size_t n;
};

struct cli_option {
    const char *name; /* long name without dashes; the text of a heading */
    char letter;      /* short name, 0 if none */
    enum cli_type type;
    void *to;                   /* holds the default before parsing */
    double min, max;            /* CLI_INT and CLI_REAL, inclusive */
    const char *value;          /* name of the value in --help: "FILE", "N" */
    const char *help;           /* one or more lines, without a final newline; state the default */
    const char *const *choices; /* CLI_CHOICE: names, NULL at the end */
};

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
struct cli_settings {
    bool quiet;   /* -q: no talk but errors */
    bool verbose; /* -v */
    bool json;    /* --json: one object a line on stdout, and nothing else */
};
extern struct cli_settings cli;

/* Parses argv: options and operands in any order, "--name value", "--name=value", "-n5", "-n 5",
 * "--" ends options; long names may be cut short while unambiguous, as getopt_long has it.
 * -h/--help (stdout, exit 0), -V/--version, -q/--quiet, -v/--verbose and --json are added here. Any
 * mistake is one line on stderr and exit 2. Also ignores SIGPIPE, so a closed pipe is an error of
 * the write. Returns the operands, which are NULL-terminated. */
char **cli_parse(const struct cli_tool *tool, int argc, char **argv, size_t *n_operands);

/* True if the option was given on the command line. */
bool cli_given(const char *long_name);

/* "tool: message\n" on stderr; control bytes in it are made harmless. */
void cli_warn(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same, then removes temporaries (file_out_cleanup) and exits 1. */
_Noreturn void cli_die(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same with " (try 'tool --help')" and exit 2. */
_Noreturn void cli_usage(const char *format, ...) PRINTF_LIKE(1, 2);
/* Talk: stderr unless quiet. No prefix, no newline added; control bytes but newline and tab are
 * made harmless. At most 4095 bytes a call. */
void cli_say(const char *format, ...) PRINTF_LIKE(1, 2);

/* Flushes and closes stdout; a failure is an error: "standard output: No space left on device". To
 * be the last call of main: `return cli_finish();` gives 0, 1 after an error, or 128+signal if a
 * signal was caught (cli_catch). */
int cli_finish(void);

/* Handlers for SIGINT, SIGTERM and SIGHUP. Without cli_catch they remove temporaries and die by the
 * signal, so that the shell sees 128+signal (cli_parse installs this). After cli_catch the first
 * signal is only noted in cli_caught (0 if none) for the tool to finish its step; a second one
 * kills. The same signal within half a second is still the first: timeout(1) sends each to the
 * process and to its group. SIGBUS, when a mapped file was cut short behind our back, is the one
 * error line and exit 1. */
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

/* Prints text from a model or a file to a terminal-safe stream: when `terminal`, control characters
 * but newline and tab are shown as U+FFFD. So is, always, what is not UTF-8. Whole UTF-8 characters
 * only; state carries an unfinished character between calls. */
struct cli_utf8 {
    unsigned char pending[4];
    int n_pending;
    bool terminal;
};
void cli_utf8_write(struct cli_utf8 *u, FILE *out, const char *text, size_t n);
void cli_utf8_flush(struct cli_utf8 *u, FILE *out); /* an unfinished rest becomes U+FFFD */

#endif
