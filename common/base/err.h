/* err.h - how the library reports a failure.
 *
 * A function that can fail takes a `struct err *` last, returns 0 when done and -1 when not, and on
 * failure leaves one sentence fit to show a person: "path: what was wrong (found X, expected Y)".
 * Nothing in the library prints or exits; the tool decides. */
#ifndef ERR_H
#define ERR_H

#include "base/base.h"

struct err {
    char text[512]; /* NUL-terminated; too long a sentence loses its middle */
};

/* Fills e with the formatted sentence and returns -1, so that `return err_set(…)` reads well. */
int err_set(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* Like err_set, followed by ": " and the text of the current errno. */
int err_errno(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
