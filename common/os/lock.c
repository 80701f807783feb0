#include "os/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct lock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

struct lock *lock_new(struct err *e)
{
    struct lock *l = malloc(sizeof *l);
    if (!l) {
        err_memory(e, "out of memory for a lock");
        return NULL;
    }
    int code = pthread_mutex_init(&l->mutex, NULL);
    if (code == 0) {
        code = pthread_cond_init(&l->changed, NULL);
        if (code == 0)
            return l;
        pthread_mutex_destroy(&l->mutex);
    }
    errno = code;
    err_errno(e, "cannot make a lock");
    free(l);
    return NULL;
}

void lock_free(struct lock *l)
{
    if (!l)
        return;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

void lock_enter(struct lock *l)
{
    pthread_mutex_lock(&l->mutex);
}

void lock_leave(struct lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

void lock_wait(struct lock *l)
{
    pthread_cond_wait(&l->changed, &l->mutex);
}

void lock_wake(struct lock *l)
{
    pthread_cond_broadcast(&l->changed);
}
