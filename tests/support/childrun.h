/* childrun.h - a test's own main in a child process: its status, output and error line. */
#ifndef CHILDRUN_H
#define CHILDRUN_H

#define CHILDRUN_NAME "toy" /* its argv[0], and what error lines begin with */

/* Of the last childrun. */
extern struct childrun_got {
    int status; /* as from waitpid */
    char out[8192];
    char err[8192];
} childrun_got;

/* Runs body with the arguments in `line`, separated by blanks ("\1" stands for a blank, "@" alone
 * for an empty argument). Output goes to out_fd, or into childrun_got.out if it is -1; -2 closes
 * it. */
void childrun(int (*body)(int, char **), const char *line, int out_fd);

/* The test fails unless it ended by itself with this status, `where` has this part, the error is
 * one line that has it. */
void childrun_exit(int want);
void childrun_part(const char *where, const char *part);
void childrun_line(const char *part);

#endif
