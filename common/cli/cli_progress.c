#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "os/clock.h"

/* Seconds between two lines: redrawn in place on a terminal, added to a log elsewhere. */
static const double redraw_seconds = 0.2;
static const double log_seconds = 30;

static volatile bool line_shown; /* a progress line stands on the terminal */

void cli_progress_start(struct cli_progress *p, const char *label)
{
    const char *term = getenv("TERM");
    double now = clock_seconds();
    *p = (struct cli_progress){
        .label = label,
        .start = now,
        .last = now,
        .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
    };
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return CLI_WIDTH;
}

/* Bytes of text that fill at most `columns` columns, a character taken as one. */
static size_t cut(const char *text, size_t columns)
{
    size_t i = 0;
    for (size_t used = 0; text[i]; i++) {
        bool starts = ((unsigned char)text[i] & 0xC0) != 0x80;
        if (starts && used++ == columns)
            break;
    }
    return i;
}

void cli_progress_update(struct cli_progress *p, double share, const char *detail)
{
    double now = clock_seconds();
    if (cli.quiet || now - p->last < (p->terminal ? redraw_seconds : log_seconds))
        return;
    p->last = now;
    char line[512];
    char eta[32];
    if (share >= 0) {
        double done = share - p->first;
        double left = done > 0 ? (now - p->start) * (1 - MIN(share, 1)) / done : -1;
        snprintf(line, sizeof line, "%s: %.1f%%, ETA %s%s%s", p->label, 100 * MIN(share, 1),
                 cli_duration_text(eta, left), *detail ? ", " : "", detail);
    } else {
        snprintf(line, sizeof line, "%s: %s%s%s", p->label, cli_duration_text(eta, now - p->start),
                 *detail ? ", " : "", detail);
    }
    if (!p->terminal) {
        cli_say("%s\n", line);
        return;
    }
    line[cut(line, terminal_columns() - 1)] = '\0';
    cli_say("%s", line); /* wipes the old line first */
    p->shown = true;
    line_shown = true;
}

void cli_progress_end(struct cli_progress *p)
{
    cli_progress_clear();
    p->shown = false;
}

void cli_progress_clear(void)
{
    if (!line_shown)
        return;
    line_shown = false;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

void cli_progress_break(void)
{
    if (line_shown && write(STDERR_FILENO, "\n", 1) < 0)
        line_shown = false; /* an error here can be reported nowhere */
}
