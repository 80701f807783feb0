/* stories.h - sample stories told during training, so that a person sees what the model can do. */
#ifndef STORIES_H
#define STORIES_H

#include "base/rng.h"
#include "dims/dims.h"
#include "kern/kern.h"
#include "text/tokenizer.h"

/* Tells n stories of at most max_tokens from the master weights, each from EOS, temperature 0.8,
 * top-k 50, on stderr. rng is the stories' own generator, never the training's; it moves on by n
 * draws, after a failure (no memory) by none. */
MUST_USE int stories_tell(const struct dims *d, const float *params, const struct kern *k,
                          const struct tokenizer *t, struct rng *rng, int n, int max_tokens,
                          struct err *e);

#endif
