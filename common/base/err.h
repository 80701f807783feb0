/* err.h - how the library reports a failure.
 *
 * A function that can fail takes a `struct err *` last, returns 0 when done and -1 when not, and on
 * failure leaves a kind, for programs, and one sentence fit to show a person: "path: what was wrong
 * (found X, expected Y)". Nothing in the library prints or exits; the tool decides. */
#ifndef ERR_H
#define ERR_H

#include "base/base.h"

enum err_code {
    ERR_DATA,   /* the contents of a file, or what was computed from them, are wrong */
    ERR_USAGE,  /* the caller asked for something that does not exist: an unknown name, a number out
                   of range */
    ERR_SYSTEM, /* the system refused: a file that cannot be opened or written, a thread */
    ERR_MEMORY  /* out of memory */
};

struct err {
    char text[512]; /* NUL-terminated, one line; the middle of a sentence that is too long is left
                       out */
    enum err_code code;
};

/* Fills e with ERR_DATA and the formatted sentence, and returns -1, so that `return err_set(...)`
 * reads well. */
int err_set(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same with another code. */
int err_usage(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);
int err_system(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);
int err_memory(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* The sentence, ": " and the text of the current errno; ERR_MEMORY for ENOMEM, else ERR_SYSTEM. */
int err_errno(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* The error of a function called, with its code, as "place: its sentence". `fault` may be e. */
int err_at(struct err *e, const char *place, const struct err *fault);

#endif
