/* team.h - many ranks score together: rank 0 reads the text and adds up, all run the model.
 *
 * Rank 0 gathers as many runs (score.h) as there are ranks, gives one to each and gets its losses
 * back. Runs are cut as one process cuts them and added in their order, so the sums are the bits of
 * one process. Only rank 0 needs the text. */
#ifndef TEAM_H
#define TEAM_H

#include "model/score.h"
#include "ranks/ranks.h"

struct team {
    struct ranks *ranks;
    const struct score_engine *own; /* this rank's */
    struct score_engine engine;     /* of all: for rank 0 to score with */
    uint64_t *rows;                 /* owned, [size] of the runs at hand; all 0: no more runs */
    struct score_run run;           /* another rank's, owned: the one it has to do */
    bool failed;                    /* *fault says why: losses since then mean nothing */
    struct err fault;
};

/* For all ranks, each with an engine for the same model. Neither *t, *r nor *own may move.
 * team_close in any case. */
MUST_USE int team_open(struct team *t, struct ranks *r, const struct score_engine *own,
                       struct err *e);
void team_close(struct team *t); /* safe on a zeroed struct */

/* The others: does runs until rank 0 calls team_end. */
MUST_USE int team_serve(struct team *t, struct err *e);

/* Rank 0: whether what the engine gave so far is good; and that there is no more to do. */
MUST_USE int team_check(const struct team *t, struct err *e);
MUST_USE int team_end(struct team *t, struct err *e);

#endif
