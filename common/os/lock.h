/* lock.h - a lock that one can wait in (a monitor, Hoare 1974): what several threads share is
 * touched only between lock_enter and lock_leave, and who finds it not as needed waits there until
 * another has changed it. For work that pool.h's tasks cannot cut in advance. */
#ifndef LOCK_H
#define LOCK_H

#include "base/err.h"

struct lock;

/* NULL and *e on failure. */
struct lock *lock_new(struct err *e);
void lock_free(struct lock *l); /* nobody is in it or waits; NULL is fine */

/* One thread at a time is inside; not reentrant. */
void lock_enter(struct lock *l);
void lock_leave(struct lock *l);

/* Called inside: leaves, waits for a lock_wake, enters again. It may return without one, so the
 * caller looks again whether what it waits for has come. */
void lock_wait(struct lock *l);

/* Called inside: all who wait go on, one after the other. */
void lock_wake(struct lock *l);

#endif
