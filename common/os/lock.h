/* lock.h - a lock with waiting (a monitor, Hoare 1974). Data that several threads share are touched
 * only between lock_enter and lock_leave. A thread that must wait for a condition sleeps in
 * lock_wait until another thread has changed the data and called lock_wake. For work that cannot be
 * cut into the tasks of base/pool.h in advance. */
#ifndef LOCK_H
#define LOCK_H

#include "base/err.h"

struct lock;

/* NULL and *e on failure. */
struct lock *lock_new(struct err *e);
void lock_free(struct lock *l); /* no thread holds it or waits in it; NULL is fine */

/* At most one thread is inside at a time; a thread that is inside must not enter again. */
void lock_enter(struct lock *l);
void lock_leave(struct lock *l);

/* Called inside: leaves, waits for a lock_wake, enters again. It may also return without one, so
 * call it in a loop that tests the condition. */
void lock_wait(struct lock *l);

/* Called inside: lets all waiting threads go on, one after another. */
void lock_wake(struct lock *l);

#endif
