/* inspect.h - how a vocabulary cuts a text, and what is in a folder that prep has made: two reports
 * on standard output. */
#ifndef INSPECT_H
#define INSPECT_H

#include "prep/options.h"

/* The tokens of o->inspect by o->vocab, a line each: id, count in the training stories, text. */
MUST_USE int inspect_text(const struct prep_options *o, struct err *e);

/* The folder o->report: stories, characters and tokens of each shard, lengths of stories, the
 * commonest and the rarest tokens of the training stories. Errors: a file that is missing or
 * damaged; a shard that was made with another vocabulary. */
MUST_USE int inspect_folder(const struct prep_options *o, struct err *e);

#endif
