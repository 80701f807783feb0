/* score_net.h - scores with the dense net, in floats: what training measures. */
#ifndef SCORE_NET_H
#define SCORE_NET_H

#include "model/net.h"
#include "model/score.h"

struct score_net {
    struct score_engine engine; /* its state is this struct, which must not move */
    struct net *net;
    struct pool *pool;
};

/* A good max_rows for a net that scores. */
size_t score_net_rows(const struct dims *d);

/* n has weights loaded and, like p, is used as long as s. */
void score_net_init(struct score_net *s, struct net *n, struct pool *p);

#endif
