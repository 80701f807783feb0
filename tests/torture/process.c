#include "torture/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "torture/torture.h"

enum { HANGS_AFTER_SECONDS = 180 };

const char *const process_call_names[] = {"malloc", "mmap",   "open",   "read", "write",
                                          "sync",   "rename", "thread", "disk"};

static long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void redirect(int fd, const char *path, int flags)
{
    int to = open(path, flags, 0666);
    if (to < 0 || dup2(to, fd) < 0)
        _exit(98);
    close(to);
}

static _Noreturn void become(const struct process *p, const char *inject)
{
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, p->output ? p->output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, "talk", O_WRONLY | O_CREAT | O_TRUNC);
    setenv("LD_PRELOAD", inject, 1);
    setenv("FAULT_COUNTS", "counts", 1);
    /* of a build with AddressSanitizer: whose library is not the first, and whose
     * malloc may fail
     */
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:allocator_may_return_null=1", 1);
    if (p->fault)
        setenv("FAULT", p->fault, 1);
    alarm(HANGS_AFTER_SECONDS);
    execv(p->argv[0], (char *const *)(uintptr_t)p->argv);
    _exit(97);
}

static void read_talk(struct process_end *end)
{
    FILE *in = fopen("talk", "r");
    size_t n = in ? fread(end->talk, 1, sizeof end->talk - 1, in) : 0;
    end->talk[n] = '\0';
    if (in)
        fclose(in);
}

static void read_counts(struct process_end *end)
{
    FILE *in = fopen("counts", "r");
    memset(end->counts, 0, sizeof end->counts);
    for (int i = 0; in && i < PROCESS_N_CALLS; i++)
        if (fscanf(in, "%*s %lu", &end->counts[i]) != 1)
            break;
    if (in)
        fclose(in);
}

void process_run(const struct process *p, const char *inject, struct process_end *end)
{
    long start = now_us();
    int status;
    remove("counts");
    pid_t pid = fork();
    if (pid < 0)
        torture_stop("cannot fork");
    if (pid == 0)
        become(p, inject);
    if (p->kill_after_us >= 0) {
        usleep((useconds_t)p->kill_after_us);
        kill(pid, SIGKILL);
    }
    if (waitpid(pid, &status, 0) != pid)
        torture_stop("cannot wait for %s", p->argv[0]);
    end->took_us = now_us() - start;
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_talk(end);
    read_counts(end);
}

int process_said_lines(const char *name, const struct process_end *end)
{
    size_t n = strlen(name);
    int n_lines = 0;
    for (const char *line = end->talk; *line; n_lines++) {
        const char *newline = strchr(line, '\n');
        if (strncmp(line, name, n) != 0 || strncmp(line + n, ": ", 2) != 0 || !newline)
            return -1;
        line = newline + 1;
    }
    return n_lines;
}
