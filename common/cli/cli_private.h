/* cli_private.h - what the files of cli/ share among themselves. */
#ifndef CLI_PRIVATE_H
#define CLI_PRIVATE_H

#include "cli/cli.h"

/* The name of the running tool; "bolt" before cli_parse. */
extern const char *cli_tool_name;

/* Another process tells of the command line (cli_one_of_many). */
extern bool cli_leaves_usage;

/* Prints --help for a tool whose options, general ones included, are the n in `all`. */
void cli_help(const struct cli_tool *tool, const struct cli_option *all, size_t n, FILE *out);

/* Prints the n options in `all` for scripts that complete command lines (scripts/completion.bash),
 * a line each of five fields with tabs between: --name, -letter or nothing, the name of its value
 * ("FILE"; nothing for a flag, "?" before it if it may be left out), names to choose from with
 * spaces between, help. */
void cli_list_options(const struct cli_option *all, size_t n, FILE *out);

/* The name of choice i, NULL after the last. */
const char *cli_choice(const struct cli_option *o, int i);

/* The range of a number in words: "1 to 1024", "at least 0"; "" if there is none. */
const char *cli_range_text(char buf[96], const struct cli_option *o);

/* Default handlers for fatal signals and for SIGBUS; SIGPIPE ignored. */
void cli_signal_install(void);

/* Wipes the progress line off the terminal if one is shown, so that other text can follow. The
 * second is for signal handlers: it only ends the line. */
void cli_progress_clear(void);
void cli_progress_break(void);

#endif
