/* split.h - whether the head of a lone story is cut among threads.
 *
 * Cutting costs a few microseconds of waking and waiting, which a small head or a busy machine does
 * not earn back, and takes a processor from others. So both ways are tried; the head is cut as long
 * as that is clearly quicker, and now and then both are tried again. The logits are the same either
 * way. */
#ifndef SPLIT_H
#define SPLIT_H

#include "base/pool.h"

enum { SPLIT_TRIALS = 9 }; /* of each way */

struct split {                      /* zero-initialise */
    unsigned n;                     /* heads since the last trials began */
    float seconds[2][SPLIT_TRIALS]; /* whole, split */
    bool pays;
    float whole;  /* seconds of a head that is not cut */
    float recent; /* of those that are, the last weighing most */
};

/* Makes the logits of a lone story; p as infer_head_split takes it. */
typedef void split_head(void *context, struct pool *p);

/* Runs `head` with the pool, or without it. */
void split_run(struct split *s, split_head *head, void *context, struct pool *p);

#endif
