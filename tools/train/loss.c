#include "train/loss.h"

enum { EMBED_TILE = 96 }; /* vocabulary rows of one task of the embedding's gradient */

struct loss {
    struct net *net;
    const uint16_t *targets;
    float scale;
    bool add;
    float *nll;
    float *d_hidden;
    float *d_embed;
    size_t first; /* row of logits[0] */
    size_t count;
};

/* Logits of a few rows, then their gradient in place, then the rows' own gradient. */
static void rows_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct loss *h = context;
    const struct net *n = h->net;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    size_t at = task * NET_HEAD_TILE;
    size_t count = MIN((size_t)NET_HEAD_TILE, h->count - at);
    float *logits = n->logits + at * V;
    net_logits(n, h->first + at, count, logits);
    for (size_t r = 0; r < count; r++) {
        size_t row = h->first + at + r;
        h->nll[row] = n->kern->xent_back(logits + r * V, V, h->targets[row], h->scale);
    }
    n->kern->product(count, D, V, logits, V, 1, (struct kern_b){n->head.w, D},
                     h->d_hidden + (h->first + at) * D, D, false);
}

static void embed_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct loss *h = context;
    const struct net *n = h->net;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    size_t first = task * EMBED_TILE;
    n->kern->product(MIN((size_t)EMBED_TILE, V - first), D, h->count, n->logits + first, 1, V,
                     (struct kern_b){n->hidden + h->first * D, D}, h->d_embed + first * D, D,
                     h->add);
}

void loss_backward(struct net *n, struct pool *p, const uint16_t *targets, size_t rows, float scale,
                   bool first, float *nll, float *d_hidden, float *d_embed)
{
    struct loss h = {.net = n,
                     .targets = targets,
                     .scale = scale,
                     .add = !first,
                     .nll = nll,
                     .d_hidden = d_hidden,
                     .d_embed = d_embed};
    for (h.first = 0; h.first < rows; h.first += n->head_rows) {
        h.count = MIN(n->head_rows, rows - h.first);
        pool_run(p, rows_task, &h, DIV_UP(h.count, (size_t)NET_HEAD_TILE));
        pool_run(p, embed_task, &h, DIV_UP((size_t)n->dims.V, (size_t)EMBED_TILE));
        h.add = true;
    }
}
