/* split.h - whether the head of a lone story is cut among threads.
 *
 * Cutting costs a few microseconds of waking and waiting, which a small head or a busy machine does
 * not give back. So both ways are tried in turn, the quicker one is kept, and now and then they are
 * tried again. The logits are the same either way. */
#ifndef SPLIT_H
#define SPLIT_H

#include "model/infer.h"

enum { SPLIT_TRIALS = 15 }; /* of each way */

struct split {                      /* zero-initialise */
    unsigned n;                     /* heads since the last trials began */
    float seconds[2][SPLIT_TRIALS]; /* whole, split */
    bool pays;
};

/* infer_head_split of row 0 with the pool, or without it. */
void split_head(struct split *s, struct infer *f, struct pool *p, float *logits);

#endif
