#include "model/score_net.h"

enum { SCORE_ROWS = 2048 };

size_t score_net_rows(const struct dims *d)
{
    return ALIGN_UP(MAX((size_t)SCORE_ROWS, score_min_rows(d)), NET_TILE);
}

static void nll_of_net(void *state, const uint16_t *tokens, const uint32_t *pos,
                       const uint16_t *targets, size_t rows, float *nll)
{
    struct score_net *s = state;
    net_forward(s->net, s->pool, tokens, pos, rows);
    net_nll(s->net, s->pool, targets, rows, nll);
}

void score_net_init(struct score_net *s, struct net *n, struct pool *p)
{
    *s = (struct score_net){{&n->dims, n->max_rows, nll_of_net, s}, n, p};
}
