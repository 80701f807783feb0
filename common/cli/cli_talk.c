#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "cli/cli_private.h"

struct cli_settings cli;
const char *cli_tool_name = "bolt";
bool cli_leaves_usage;

static void put_safely(const char *text)
{
    struct cli_utf8 u = {.terminal = true};
    flockfile(stderr);
    cli_progress_clear();
    cli_utf8_write(&u, stderr, text, strlen(text));
    cli_utf8_flush(&u, stderr);
    fflush(stderr);
    funlockfile(stderr);
}

/* "tool: message suffix\n", whatever the message holds: one line. */
static void put_line(const char *format, va_list args, const char *suffix)
{
    char text[1024];
    char line[1200];
    vsnprintf(text, sizeof text, format, args);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    snprintf(line, sizeof line, "%s: %s%s\n", cli_tool_name, text, suffix);
    put_safely(line);
}

void cli_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(format, args, "");
    va_end(args);
}

void cli_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(format, args, "");
    va_end(args);
    file_out_cleanup();
    exit(1);
}

void cli_usage(const char *format, ...)
{
    char hint[64];
    snprintf(hint, sizeof hint, " (try '%.30s --help')", cli_tool_name);
    va_list args;
    va_start(args, format);
    if (cli_leaves_usage)
        sleep(5); /* until number 0 has told it and whoever started us all ends us */
    put_line(format, args, hint);
    va_end(args);
    file_out_cleanup();
    exit(2);
}

void cli_fail(const struct err *e)
{
    if (e->code == ERR_USAGE)
        cli_usage("%s", e->text);
    cli_die("%s", e->text);
}

void cli_say(const char *format, ...)
{
    if (cli.quiet)
        return;
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_safely(text);
}

void cli_fall_silent(void)
{
    cli.quiet = true;
    cli.verbose = false;
    cli.json = false;
}

void cli_one_of_many(int number)
{
    cli_leaves_usage = number > 0;
}

int cli_finish(void)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0 || failed) {
        /* an earlier error has lost its reason, but closing usually meets it again */
        cli_warn("standard output: %s", errno ? strerror(errno) : "write error");
        return 1;
    }
    return cli_caught() ? 128 + cli_caught() : 0;
}
