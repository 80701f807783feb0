#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "cli/cli_private.h"

/* SIGUSR1, SIGUSR2 and SIGXCPU are how batch systems and ulimit -t say that time is nearly up. */
static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

static volatile sig_atomic_t catching;
static volatile sig_atomic_t caught;
static double caught_at; /* the handler's own */

static void on_signal(int number)
{
    double now = clock_seconds();
    if (catching && !caught) {
        caught = number;
        caught_at = now;
        return;
    }
    /* over its limit a process gets SIGXCPU every second of its processors, until the hard limit;
     * nobody sends it to end at once */
    if (catching && (number == SIGXCPU || now - caught_at < CLI_SAME_SIGNAL_SECONDS))
        return;
    file_out_cleanup();
    cli_progress_break();
    /* die by the very signal, so that whoever started us sees it; it is blocked in its handler */
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t only;
    sigaction(number, &by_default, NULL);
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

/* A page of a mapped file that cannot be had: an error like any other, as far as a handler can tell
 * it. Any other SIGBUS is a bug and kills. */
static void on_lost_page(int number, siginfo_t *info, void *context)
{
    static const char reason[] =
        ": cannot read: it was cut short while in use, or its disk fails\n";
    const char *path = file_map_at(info->si_addr);
    char line[PATH_MAX + 128];
    size_t n = 0;
    (void)context;
    file_out_cleanup();
    if (!path) {
        signal(number, SIG_DFL);
        return; /* to the same instruction, which now kills */
    }
    cli_progress_break();
    for (const char *p = cli_tool_name; *p && n < 32; p++)
        line[n++] = *p;
    line[n++] = ':';
    line[n++] = ' ';
    for (const char *p = path; *p && n < PATH_MAX; p++)
        line[n++] = (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p;
    memcpy(line + n, reason, sizeof reason - 1);
    n += sizeof reason - 1;
    while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
        continue;
    _exit(1);
}

void cli_signal_install(void)
{
    struct sigaction lost = {.sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&lost.sa_mask);
    sigaction(SIGBUS, &lost, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write, too */
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        struct sigaction before;
        struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&ours.sa_mask);
        for (size_t j = 0; j < ARRAY_LEN(fatal); j++) /* one handler at a time */
            sigaddset(&ours.sa_mask, fatal[j]);
        /* ignored by the parent (nohup, a shell's background job): leave it so */
        if (sigaction(fatal[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(fatal[i], &ours, NULL);
    }
}

void cli_catch(void)
{
    catching = 1;
}

int cli_caught(void)
{
    return caught;
}
