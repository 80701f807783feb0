/* signals.h - signals that ask a process to end, held back from a thread for a while. Those by
 * which it is told of a fault of its own (SIGSEGV, SIGBUS and the like) are not. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>

/* Holds them back from the calling thread, and from threads that it starts meanwhile; *before gets
 * what was held before. */
void signals_hold(sigset_t *before);

/* As it was before; one that has come meanwhile comes now. */
void signals_release(const sigset_t *before);

#endif
