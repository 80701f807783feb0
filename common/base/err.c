#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD = 160 /* bytes kept before the gap of a sentence that is too long */
};

/* A sentence that does not fit loses its middle: its begin names the file, its end the fault. */
static void keep(struct err *e, const char *text, size_t n)
{
    static const char gap[] = " ... ";
    if (n < sizeof e->text) {
        memcpy(e->text, text, n + 1);
        return;
    }
    size_t at = HEAD + sizeof gap - 1;
    size_t n_tail = sizeof e->text - 1 - at;
    memcpy(e->text, text, HEAD);
    memcpy(e->text + HEAD, gap, sizeof gap - 1);
    memcpy(e->text + at, text + n - n_tail, n_tail + 1);
}

/* The sentence is made elsewhere first: e->text may itself be an argument. */
static void set(struct err *e, const char *reason, const char *format, va_list args)
{
    char *text;
    char *whole;
    if (vasprintf(&text, format, args) < 0) {
        strcpy(e->text, reason ? reason : "out of memory");
        return;
    }
    if (reason && asprintf(&whole, "%s: %s", text, reason) >= 0) {
        free(text);
        text = whole;
    }
    keep(e, text, strlen(text));
    free(text);
}

int err_set(struct err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(e, NULL, format, args);
    va_end(args);
    return -1;
}

int err_errno(struct err *e, const char *format, ...)
{
    int saved = errno;
    va_list args;
    va_start(args, format);
    set(e, strerror(saved), format, args);
    va_end(args);
    errno = saved;
    return -1;
}
