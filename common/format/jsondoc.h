/* jsondoc.h - a small JSON document, read whole by jansson.
 *
 * Where jansson gets no memory, it drops bytes of strings and says nothing, or frees what is not
 * its own. So it is given the last there is, out of a reserve, and what it made of that is thrown
 * away. */
#ifndef FORMAT_JSONDOC_H
#define FORMAT_JSONDOC_H

#include "base/err.h"

struct json_t; /* json_t of <jansson.h> */

/* The value that the n bytes of text are, json_decref'd by the caller; no name stands twice in an
 * object. NULL on an error: no valid JSON, or no memory. The sentence has no path (err_at). */
MUST_USE struct json_t *jsondoc_read(const void *text, size_t n, struct err *e);

#endif
