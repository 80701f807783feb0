#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>

#include "base/file.h"
#include "cli/cli_private.h"

static const int fatal[] = {SIGINT, SIGTERM, SIGHUP};

static volatile sig_atomic_t catching;
static volatile sig_atomic_t caught;
static double caught_at; /* the handler's own */

static void on_signal(int number)
{
    double now = cli_seconds();
    if (catching && !caught) {
        caught = number;
        caught_at = now;
        return;
    }
    if (catching && number == caught && now - caught_at < CLI_SAME_SIGNAL_SECONDS)
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

void cli_signal_install(void)
{
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
