#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD = 160 /* bytes kept before the gap of a sentence that is too long */
};

/* A sentence that does not fit loses its middle: its beginning names the file, its end says what is
 * wrong.
 */
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

/* A sentence is one line, even where a library's message has several. */
static void join_lines(char *text)
{
    for (; (text = strchr(text, '\n')); text++)
        *text = ' ';
}

/* The sentence is made elsewhere first: e->text may itself be an argument. */
static int set(struct err *e, enum err_code code, const char *reason, const char *format,
               va_list args)
{
    char *text;
    char *whole;
    e->code = code;
    if (vasprintf(&text, format, args) < 0) {
        strcpy(e->text, reason ? reason : "out of memory");
        return -1;
    }
    if (reason && asprintf(&whole, "%s: %s", text, reason) >= 0) {
        free(text);
        text = whole;
    }
    join_lines(text);
    keep(e, text, strlen(text));
    free(text);
    return -1;
}

#define SET(code, reason)                        \
    va_list args;                                \
    va_start(args, format);                      \
    int rc = set(e, code, reason, format, args); \
    va_end(args);                                \
    return rc

int err_set(struct err *e, const char *format, ...)
{
    SET(ERR_DATA, NULL);
}

int err_usage(struct err *e, const char *format, ...)
{
    SET(ERR_USAGE, NULL);
}

int err_system(struct err *e, const char *format, ...)
{
    SET(ERR_SYSTEM, NULL);
}

int err_memory(struct err *e, const char *format, ...)
{
    SET(ERR_MEMORY, NULL);
}

int err_errno(struct err *e, const char *format, ...)
{
    int saved = errno;
    va_list args;
    va_start(args, format);
    set(e, saved == ENOMEM ? ERR_MEMORY : ERR_SYSTEM, strerror(saved), format, args);
    va_end(args);
    errno = saved;
    return -1;
}

int err_at(struct err *e, const char *place, const struct err *fault)
{
    enum err_code code = fault->code;
    err_set(e, "%s: %s", place, fault->text);
    e->code = code;
    return -1;
}
