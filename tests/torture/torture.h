/* torture.h - the fault campaign: programs killed and starved on purpose, files damaged, and what
 * came of it counted. CONTRIBUTING.md says how to run it. */
#ifndef TORTURE_H
#define TORTURE_H

#include "base/rng.h"

/* One campaign. It works in a folder of its own, which is the current one. */
struct torture {
    bool is_short;        /* a sample of every table, for `make test` */
    struct rng rng;       /* every choice of the campaign: the same seed, the same campaign */
    char programs[4096];  /* their folder, absolute */
    unsigned long passed; /* rows of the tables without a loss */
    unsigned long failed;
};

/* Says on stdout what was lost. */
void torture_loss(const char *format, ...) PRINTF_LIKE(1, 2);

/* Counts a row of a table. */
void torture_row(struct torture *t, unsigned long n_losses);

/* Ends the campaign: something that has to work before any fault did not. */
_Noreturn void torture_stop(const char *format, ...) PRINTF_LIKE(1, 2);

/* The three parts; each prints a table. */
void sweep_run(struct torture *t);  /* each call of the operating system failing once */
void kills_run(struct torture *t);  /* kill -9 */
void damage_run(struct torture *t); /* files with a byte changed or cut short */

#endif
