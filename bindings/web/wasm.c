/* What wasi-libc asks of a system. A module has none: what would end the program traps, which
 * JavaScript sees as an exception, and what would print fails. So the module imports nothing and
 * can reach nothing. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

_Noreturn void __assert_fail(const char *what, const char *file, int line, const char *function)
{
    (void)what;
    (void)file;
    (void)line;
    (void)function;
    __builtin_trap();
}

/* These stand where imports would. printf's are the only callers, and none of those is reached. */
#define IMPORT(name) __imported_wasi_snapshot_preview1_##name
int32_t IMPORT(fd_write)(int32_t fd, int32_t parts, int32_t n_parts, int32_t written);
int32_t IMPORT(fd_seek)(int32_t fd, int64_t by, int32_t whence, int32_t to);
int32_t IMPORT(fd_close)(int32_t fd);

int32_t IMPORT(fd_write)(int32_t fd, int32_t parts, int32_t n_parts, int32_t written)
{
    (void)fd;
    (void)parts;
    (void)n_parts;
    (void)written;
    return ENOSYS;
}

int32_t IMPORT(fd_seek)(int32_t fd, int64_t by, int32_t whence, int32_t to)
{
    (void)fd;
    (void)by;
    (void)whence;
    (void)to;
    return ENOSYS;
}

int32_t IMPORT(fd_close)(int32_t fd)
{
    (void)fd;
    return ENOSYS;
}
