/* ahead.h - a source that another thread reads some blocks ahead of who pulls from it. */
#ifndef AHEAD_H
#define AHEAD_H

#include "corpus/source.h"

typedef int ahead_use(void *context, struct source *in, struct err *e);

/* Returns use(context, in, e), where `in` gives the bytes of `from` and then its end or its error.
 * Another thread pulls from `from` meanwhile, and not after the return. Blocks that `in` was not
 * asked for are lost. Without memory or a thread for this, `in` is `from` itself. */
MUST_USE int ahead_run(struct source *from, ahead_use *use, void *context, struct err *e);

#endif
