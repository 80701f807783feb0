/* inject.so, to be preloaded: counts the calls a program makes of the operating system, and lets
 * the one that was asked for fail, fall short, or be the program's last.
 *
 *   FAULT=CALL:N:ACTION   the N-th (from 1) call of malloc, mmap, open, read, write, sync, rename
 * or thread; or of disk, which is write, sync and rename in one count FAULT_COUNTS=FILE     at
 * exit, one line "CALL N" for each
 *
 *   fail    the call fails, with the errno that is usual for it
 *   fails   so do all after it, as on a full disk
 *   short   read and write: half of the bytes
 *   again   read and write: EINTR
 *   kill    SIGKILL before the call; tear: a write of half the bytes, then SIGKILL; after: SIGKILL
 *           when it is done
 *
 * Only calls the program and its libraries make by name are seen, not those within the C library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { MALLOC, MMAP, OPEN, READ, WRITE, SYNC, RENAME, THREAD, DISK, N_CALLS };
enum action { NONE, FAIL, FAILS, SHORT, AGAIN, KILL, TEAR, AFTER };

static const char *const call_names[] = {"malloc", "mmap",   "open",   "read", "write",
                                         "sync",   "rename", "thread", "disk"};
static const char *const action_names[] = {"none",  "fail", "fails", "short",
                                           "again", "kill", "tear",  "after"};

static atomic_ulong counts[N_CALLS];
static int wanted_call = N_CALLS;
static unsigned long wanted_n;
static enum action wanted_action;
static const char *counts_path;
static atomic_bool ready; /* the environment is read; nothing is counted before */

/* This thread is in dlsym, which may itself allocate and free. Volatile, for dlsym is declared
 * never to call back. */
static _Thread_local volatile bool looking __attribute__((tls_model("initial-exec")));

/* This thread is in pthread_getattr_np, which allocates: AddressSanitizer asks it as a thread
 * begins, and ends the program itself where that fails. */
static _Thread_local volatile bool asking __attribute__((tls_model("initial-exec")));

/* The definition after ours; `at` keeps it. */
static void *next(_Atomic(void *) *at, const char *name)
{
    void *found = atomic_load(at);
    if (!found) {
        looking = true;
        found = dlsym(RTLD_NEXT, name);
        looking = false;
        if (!found)
            abort();
        atomic_store(at, found);
    }
    return found;
}

/* Calls the next definition of `name`, of the same type. */
#define NEXT(name)                           \
    static _Atomic(void *) at_##name;        \
    __typeof__(&name) real;                  \
    void *pointer = next(&at_##name, #name); \
    memcpy(&real, &pointer, sizeof real)

static int number_of(const char *text, size_t n, const char *const *names, int n_names)
{
    for (int i = 0; i < n_names; i++)
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0)
            return i;
    fprintf(stderr, "inject: what is '%.*s' in FAULT?\n", (int)n, text);
    _exit(99);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *fault = getenv("FAULT");
    counts_path = getenv("FAULT_COUNTS");
    if (fault) {
        char *end;
        size_t n = strcspn(fault, ":");
        wanted_call = number_of(fault, n, call_names, N_CALLS);
        wanted_n = strtoul(fault + n + 1, &end, 10);
        wanted_action = (enum action)number_of(end + 1, strlen(end + 1), action_names,
                                               sizeof action_names / sizeof *action_names);
    }
    atomic_store(&ready, true);
}

__attribute__((destructor)) static void write_counts(void)
{
    FILE *out = counts_path ? fopen(counts_path, "w") : NULL;
    if (!out)
        return;
    for (int i = 0; i < N_CALLS; i++)
        fprintf(out, "%s %lu\n", call_names[i], atomic_load(&counts[i]));
    fclose(out);
}

static bool count(enum call call)
{
    unsigned long n = atomic_fetch_add(&counts[call], 1) + 1;
    return wanted_call == (int)call && (n == wanted_n || (n > wanted_n && wanted_action == FAILS));
}

/* Counts a call; what is to be done with it. */
static enum action reach(enum call call)
{
    if (!atomic_load(&ready) || asking)
        return NONE;
    bool here = count(call);
    if (call == WRITE || call == SYNC || call == RENAME)
        here = count(DISK) || here;
    if (here && (wanted_action == KILL || (wanted_action == TEAR && call != WRITE)))
        kill(getpid(), SIGKILL);
    return here ? wanted_action : NONE;
}

static bool fails(enum action action)
{
    return action == FAIL || action == FAILS;
}

static void end_after(enum action action)
{
    if (action == AFTER || action == TEAR)
        kill(getpid(), SIGKILL);
}

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    NEXT(pthread_getattr_np);
    asking = true;
    int rc = real(thread, attributes);
    asking = false;
    return rc;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* What dlsym allocates while it looks: from here, and nobody frees it. */
static _Alignas(16) char early[4096];
static size_t early_used;

static void *early_alloc(size_t n)
{
    void *p = early + early_used;
    early_used += (n + 15) & ~(size_t)15;
    if (early_used > sizeof early)
        abort();
    return p;
}

static bool is_early(const void *p)
{
    return (uintptr_t)p - (uintptr_t)early < sizeof early;
}

static bool no_memory(void)
{
    if (!fails(reach(MALLOC)))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    if (looking)
        return early_alloc(n);
    NEXT(malloc);
    return no_memory() ? NULL : real(n);
}

void *calloc(size_t count_, size_t n)
{
    if (looking)
        return early_alloc(count_ * n);
    NEXT(calloc);
    return no_memory() ? NULL : real(count_, n);
}

void *realloc(void *p, size_t n)
{
    NEXT(realloc);
    return no_memory() ? NULL : real(p, n);
}

void free(void *p)
{
    if (looking || is_early(p))
        return;
    NEXT(free);
    real(p);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    NEXT(aligned_alloc);
    return no_memory() ? NULL : real(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    NEXT(posix_memalign);
    return no_memory() ? ENOMEM : real(p, alignment, n);
}

void *mmap(void *address, size_t n, int protection, int flags, int fd, off_t at)
{
    NEXT(mmap);
    if (fails(reach(MMAP))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(address, n, protection, flags, fd, at);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* open, openat and their names for large files. */
#define OPENING(name, parameters, arguments)                                      \
    int name parameters                                                           \
    {                                                                             \
        va_list rest;                                                             \
        va_start(rest, flags);                                                    \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                             \
        NEXT(name);                                                               \
        if (fails(reach(OPEN))) {                                                 \
            errno = EMFILE;                                                       \
            return -1;                                                            \
        }                                                                         \
        return real arguments;                                                    \
    }
OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENING(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

/* read, write and the like; n is the name of the number of bytes among the parameters. */
#define MOVING(call, error, name, parameters, arguments)  \
    ssize_t name parameters                               \
    {                                                     \
        NEXT(name);                                       \
        enum action action = reach(call);                 \
        if (fails(action) || action == AGAIN) {           \
            errno = action == AGAIN ? EINTR : error;      \
            return -1;                                    \
        }                                                 \
        if ((action == SHORT || action == TEAR) && n > 1) \
            n /= 2;                                       \
        ssize_t done = real arguments;                    \
        end_after(action);                                \
        return done;                                      \
    }
MOVING(READ, EIO, read, (int fd, void *data, size_t n), (fd, data, n))
MOVING(READ, EIO, pread, (int fd, void *data, size_t n, off_t at), (fd, data, n, at))
MOVING(READ, EIO, pread64, (int fd, void *data, size_t n, off64_t at), (fd, data, n, at))
MOVING(WRITE, ENOSPC, write, (int fd, const void *data, size_t n), (fd, data, n))
MOVING(WRITE, ENOSPC, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
MOVING(WRITE, ENOSPC, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))

/* fsync, rename and the like. */
#define DOING(call, error, name, parameters, arguments) \
    int name parameters                                 \
    {                                                   \
        NEXT(name);                                     \
        enum action action = reach(call);               \
        if (fails(action)) {                            \
            errno = error;                              \
            return -1;                                  \
        }                                               \
        int code = real arguments;                      \
        end_after(action);                              \
        return code;                                    \
    }
DOING(SYNC, EIO, fsync, (int fd), (fd))
DOING(SYNC, EIO, fdatasync, (int fd), (fd))
DOING(RENAME, EIO, rename, (const char *from, const char *to), (from, to))
DOING(RENAME, EIO, renameat, (int from_dir, const char *from, int to_dir, const char *to),
      (from_dir, from, to_dir, to))

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    NEXT(pthread_create);
    return fails(reach(THREAD)) ? EAGAIN : real(thread, attributes, run, argument);
}
