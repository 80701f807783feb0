#include "eval/team.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of messages. */
enum { TOKENS, POS, TARGETS, NLL, N_MESSAGES };

/* ---- rank 0 ---------------------------------------------------------------------------------- */

static int send_run(struct ranks *r, int to, const struct score_run *run, struct err *e)
{
    if (ranks_send(r, to, TOKENS, run->tokens, run->rows * sizeof *run->tokens, e) ||
        ranks_send(r, to, POS, run->pos, run->rows * sizeof *run->pos, e))
        return -1;
    return ranks_send(r, to, TARGETS, run->targets, run->rows * sizeof *run->targets, e);
}

/* What is sent arrives before this rank computes: MPI need not move it on meanwhile. */
static int share_runs(struct team *t, const struct score_run *runs, size_t n, struct err *e)
{
    struct ranks *r = t->ranks;
    for (size_t i = 0; i < (size_t)r->size; i++)
        t->rows[i] = i < n ? runs[i].rows : 0;
    if (ranks_share(r, t->rows, (size_t)r->size * sizeof *t->rows, e))
        return -1;
    for (size_t i = 1; i < n; i++)
        if (send_run(r, (int)i, &runs[i], e))
            return -1;
    if (ranks_wait(r, e))
        return -1;
    t->own->nll(t->own->state, runs, 1);
    for (size_t i = 1; i < n; i++)
        if (ranks_receive(r, (int)i, NLL, runs[i].nll, runs[i].rows * sizeof *runs[i].nll, e))
            return -1;
    return ranks_wait(r, e);
}

static void nll_of_team(void *state, const struct score_run *runs, size_t n)
{
    struct team *t = state;
    for (size_t i = 0; i < n && t->failed; i++)
        memset(runs[i].nll, 0, runs[i].rows * sizeof *runs[i].nll);
    if (!t->failed)
        t->failed = share_runs(t, runs, n, &t->fault) != 0;
}

int team_check(const struct team *t, struct err *e)
{
    if (!t->failed)
        return 0;
    *e = t->fault;
    return -1;
}

int team_end(struct team *t, struct err *e)
{
    size_t bytes = (size_t)t->ranks->size * sizeof *t->rows;
    memset(t->rows, 0, bytes);
    return ranks_share(t->ranks, t->rows, bytes, e);
}

/* ---- the others ------------------------------------------------------------------------------ */

static int serve_run(struct team *t, size_t rows, struct err *e)
{
    struct ranks *r = t->ranks;
    struct score_run *run = &t->run;
    run->rows = rows;
    if (ranks_receive(r, 0, TOKENS, run->tokens, rows * sizeof *run->tokens, e) ||
        ranks_receive(r, 0, POS, run->pos, rows * sizeof *run->pos, e) ||
        ranks_receive(r, 0, TARGETS, run->targets, rows * sizeof *run->targets, e) ||
        ranks_wait(r, e))
        return -1;
    t->own->nll(t->own->state, run, 1);
    if (ranks_send(r, 0, NLL, run->nll, rows * sizeof *run->nll, e))
        return -1;
    return ranks_wait(r, e);
}

int team_serve(struct team *t, struct err *e)
{
    for (;;) {
        if (ranks_share(t->ranks, t->rows, (size_t)t->ranks->size * sizeof *t->rows, e))
            return -1;
        if (t->rows[0] == 0)
            return 0;
        size_t rows = (size_t)t->rows[t->ranks->rank];
        if (rows > 0 && serve_run(t, rows, e))
            return -1;
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

/* The longest run that every rank can take: threads may differ, and with them what engines hold. */
static int agree_on_rows(struct team *t, struct err *e)
{
    uint64_t most = t->own->max_rows;
    if (ranks_collect(t->ranks, &most, sizeof most, t->rows, e))
        return -1;
    for (int i = 0; i < t->ranks->size; i++)
        most = MIN(most, t->rows[i]);
    t->engine.max_rows = (size_t)most;
    return 0;
}

static int take_memory(struct team *t, struct err *e)
{
    size_t rows = t->own->max_rows;
    t->rows = calloc((size_t)t->ranks->size, sizeof *t->rows);
    t->run.tokens = calloc(rows, sizeof *t->run.tokens);
    t->run.pos = calloc(rows, sizeof *t->run.pos);
    t->run.targets = calloc(rows, sizeof *t->run.targets);
    t->run.nll = calloc(rows, sizeof *t->run.nll);
    if (!t->rows || !t->run.tokens || !t->run.pos || !t->run.targets || !t->run.nll)
        return err_memory(e, "out of memory");
    return ranks_reserve(t->ranks, (size_t)t->ranks->size * N_MESSAGES, e);
}

int team_open(struct team *t, struct ranks *r, const struct score_engine *own, struct err *e)
{
    *t = (struct team){.ranks = r, .own = own};
    t->engine = (struct score_engine){own->dims, 0, (size_t)r->size, nll_of_team, t};
    int rc = take_memory(t, e);
    if (ranks_agree(r, rc, e))
        return -1;
    return agree_on_rows(t, e);
}

void team_close(struct team *t)
{
    free(t->rows);
    free(t->run.tokens);
    free(t->run.pos);
    free(t->run.targets);
    free(t->run.nll);
    *t = (struct team){0};
}
