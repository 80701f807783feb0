/* ranks.h - one run in many processes, of one machine or of many: MPI's ranks, numbered from 0.
 *
 * Two files have most of these functions: ranks_one.c, for which there is only rank 0, and
 * ranks_mpi.c, which `make MPI=1` builds instead. With one rank (size 1), only ranks_open,
 * ranks_agree and ranks_close are needed.
 *
 * All but messages are collective: every rank calls them, in the same order. Only the thread that
 * called ranks_open may call them. A rank that ends before ranks_close, for whatever reason, ends
 * all of them, since a run cannot go on without one of its ranks. */
#ifndef RANKS_H
#define RANKS_H

#include "base/err.h"

struct ranks {
    int rank; /* of this process, 0 .. size - 1 */
    int size;
    uint64_t sent; /* bytes that this rank sent to others, headers aside */
    void *state;   /* owned; of ranks_mpi.c */
};

/* The number that whoever started this process gave it, 0 if it is alone: for what one of many is
 * to do once, without meeting the others. In any build, and without ranks_open. */
int ranks_told(void);

/* Joins the others. An error where this process was started as one of many and cannot meet them. */
MUST_USE int ranks_open(struct ranks *r, struct err *e);

/* Ends a run that succeeded, for all ranks. *r may be zeroed. */
void ranks_close(struct ranks *r);

/* Checks that all ranks have come this far without a failure; `rc` and *e are this rank's result.
 * If one has failed, rank 0 returns -1 with the error of the first such rank, its number and host,
 * and the others do not return: they end with rank 0. */
MUST_USE int ranks_agree(struct ranks *r, int rc, struct err *e);

/* data [bytes] of rank 0 becomes everyone's. */
MUST_USE int ranks_share(struct ranks *r, void *data, size_t bytes, struct err *e);

/* all [size][bytes] becomes what every rank has in mine [bytes]. */
MUST_USE int ranks_collect(struct ranks *r, const void *mine, size_t bytes, void *all,
                           struct err *e);

/* x [n] becomes the sum of everyone's, in any order: exact where all but one are 0. */
MUST_USE int ranks_sum(struct ranks *r, double *x, size_t n, struct err *e);

/* ---- messages: started here, complete after ranks_wait --------------------------------------- */

/* Memory for n messages under way at a time. */
MUST_USE int ranks_reserve(struct ranks *r, size_t n, struct err *e);

/* data [bytes] is left alone until ranks_wait. A message is received by the number it was sent
 * with, 0 to 32767; bytes below 2^31. */
MUST_USE int ranks_send(struct ranks *r, int to, int number, const void *data, size_t bytes,
                        struct err *e);
MUST_USE int ranks_receive(struct ranks *r, int from, int number, void *data, size_t bytes,
                           struct err *e);

/* Lets messages under way progress; call it now and then while computing. */
MUST_USE int ranks_poll(struct ranks *r, struct err *e);

/* Returns when all messages started are complete. */
MUST_USE int ranks_wait(struct ranks *r, struct err *e);

#endif
