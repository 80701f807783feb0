#include "support/childrun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct childrun_got childrun_got;

static void slurp(int fd, char *buf, size_t size)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ssize_t n = read(fd, buf, size - 1);
    assert_true(n >= 0);
    buf[n] = '\0';
    close(fd);
}

static int scratch_file(void)
{
    char path[] = "/tmp/childrun-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

void childrun(int (*body)(int, char **), const char *line, int out_fd)
{
    int out = scratch_file();
    int err = scratch_file();
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char copy[1024];
        char *argv[40] = {(char[]){CHILDRUN_NAME}};
        int argc = 1;
        snprintf(copy, sizeof copy, "%s", line);
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
            for (char *p = word; *p; p++)
                *p = *p == '\1' ? ' ' : *p;
            argv[argc++] = strcmp(word, "@") == 0 ? word + 1 : word;
        }
        dup2(err, STDERR_FILENO);
        if (out_fd == -2)
            close(STDOUT_FILENO);
        else
            dup2(out_fd >= 0 ? out_fd : out, STDOUT_FILENO);
        exit(body(argc, argv));
    }
    assert_int_equal(waitpid(child, &childrun_got.status, 0), child);
    slurp(out, childrun_got.out, sizeof childrun_got.out);
    slurp(err, childrun_got.err, sizeof childrun_got.err);
}

void childrun_exit(int want)
{
    if (!WIFEXITED(childrun_got.status) || WEXITSTATUS(childrun_got.status) != want)
        fail_msg("status %#x, expected exit %d; stderr: %s", (unsigned)childrun_got.status, want,
                 childrun_got.err);
}

void childrun_part(const char *where, const char *part)
{
    if (!strstr(where, part))
        fail_msg("'%s' does not contain '%s'", where, part);
}

void childrun_line(const char *part)
{
    childrun_part(childrun_got.err, part);
    assert_int_equal(strncmp(childrun_got.err, CHILDRUN_NAME ": ", sizeof CHILDRUN_NAME + 1), 0);
    assert_ptr_equal(strchr(childrun_got.err, '\n'),
                     childrun_got.err + strlen(childrun_got.err) - 1);
}
