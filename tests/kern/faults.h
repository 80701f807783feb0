/* faults.h - operations broken on purpose, so that the checks can be seen to fail. */
#ifndef FAULTS_H
#define FAULTS_H

#include "kern/kern.h"

/* Replaces an operation of the table by one that calls it and then spoils its last result a little;
 * "add-over", "add-under", "add-input", "add-trap" spoil what lies around y, an input, or crash;
 * "largest-all" finds too much.
 * Only one table can be broken at a time. Returns false if there is no such fault. */
bool faults_install(struct kern *k, const char *name);

#endif
