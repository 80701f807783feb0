/* process.h - runs a program, with a fault or a kill, and tells how it ended.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "base/base.h"

enum { PROCESS_MAX_ARGS = 40, PROCESS_N_CALLS = 9 };

/* The calls that inject.c counts, in its order. */
enum process_call {
    CALL_MALLOC,
    CALL_MMAP,
    CALL_OPEN,
    CALL_READ,
    CALL_WRITE,
    CALL_SYNC,
    CALL_RENAME,
    CALL_THREAD,
    CALL_DISK
};
extern const char *const process_call_names[PROCESS_N_CALLS];

struct process {
    const char *const *argv; /* NULL-terminated; argv[0] is the path of the program */
    const char *output;      /* file for its standard output, or NULL */
    const char *fault;       /* FAULT of inject.c, or NULL */
    long kill_after_us;      /* SIGKILL so long after the start; negative: never */
};

struct process_end {
    int status;                            /* exit status, or 128 + signal */
    long took_us;                          /* until its end */
    char talk[8192];                       /* its standard error, NUL-terminated */
    unsigned long counts[PROCESS_N_CALLS]; /* calls it made; zero if it was killed */
};

/* Runs it in the current folder with the library `inject` preloaded; standard
 * input is empty. One that hangs for minutes is ended by SIGALRM. Files "talk"
 * and "counts" are left behind. */
void process_run(const struct process *p, const char *inject, struct process_end *end);

/* Lines of the talk; -1 if one of them does not begin with the name of the
 * program. */
int process_said_lines(const char *name, const struct process_end *end);

#endif
