/* jsondoc.h - a small JSON document, read whole by jansson.
 *
 * When jansson runs out of memory, it silently drops bytes of strings, or frees memory that is not
 * its own. So it has a reserve for that case, and what it parsed with the reserve is discarded. */
#ifndef FORMAT_JSONDOC_H
#define FORMAT_JSONDOC_H

#include "base/err.h"

struct json_t; /* json_t of <jansson.h> */

/* Parses the n bytes of text; the caller calls json_decref. A name that an object has twice is an
 * error. NULL on an error: not valid JSON, or no memory. The sentence has no path (err_at). */
MUST_USE struct json_t *jsondoc_read(const void *text, size_t n, struct err *e);

#endif
