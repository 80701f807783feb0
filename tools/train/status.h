/* status.h - the state of a run, read from its folder while it goes on or afterwards: --status. */
#ifndef STATUS_H
#define STATUS_H

#include "base/err.h"

/* Prints to standard output step, losses, best, hours used and left, the last good checkpoint and
 * the process that holds the folder; one object with --json. Damaged checkpoints are warned of.
 * Changes nothing and does not disturb the run. A folder without log and checkpoint is an error. */
MUST_USE int status_print(const char *dir, struct err *e);

#endif
