#include "model/score_net.h"

enum { SCORE_ROWS = 4096 };

size_t score_net_rows(const struct dims *d)
{
    return ALIGN_UP(MAX((size_t)SCORE_ROWS, score_min_rows(d)), NET_TILE);
}

static void nll_of_net(void *state, const struct score_run *r, size_t n)
{
    struct score_net *s = state;
    (void)n; /* 1 */
    net_forward(s->net, s->pool, r->tokens, r->pos, r->rows);
    net_nll(s->net, s->pool, r->targets, r->rows, r->nll);
}

void score_net_init(struct score_net *s, struct net *n, struct pool *p)
{
    *s = (struct score_net){{&n->dims, n->max_rows, 1, nll_of_net, s}, n, p};
}
