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
    const struct loss *h = context;
    const struct net *n = h->net;
    const struct kern *k = n->kern;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    struct span s = {task * NET_HEAD_TILE,
                     MIN((size_t)NET_HEAD_TILE, h->count - task * NET_HEAD_TILE)};
    float *logits = operand_floats(&n->logits, &n->head_scratch, s, worker);
    net_logits(n, h->first + s.first, s.count, worker, logits);
    for (size_t r = 0; r < s.count; r++) {
        size_t row = h->first + s.first + r;
        h->nll[row] = k->xent_back(logits + r * V, V, h->targets[row], h->scale);
    }
    size_t cells = DIV_UP(V, k->unit);
    k->product(s.count, D, cells, operand_rows(&n->logits, k, &n->head_scratch, s, worker), cells,
               1, (struct kern_b){n->head.columns, D}, h->d_hidden + (h->first + s.first) * D, D,
               false);
}

static void embed_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct loss *h = context;
    const struct net *n = h->net;
    size_t V = (size_t)n->dims.V;
    size_t D = (size_t)n->dims.D;
    size_t unit = n->kern->unit;
    size_t first = task * EMBED_TILE;
    const uint32_t *d_logits = n->logits.columns;
    const uint32_t *hidden = n->hidden.columns;
    n->kern->product(MIN((size_t)EMBED_TILE, V - first), D, DIV_UP(h->count, unit),
                     d_logits + first, 1, V, (struct kern_b){hidden + h->first / unit * D, D},
                     h->d_embed + first * D, D, h->add);
}

void loss_backward(struct net *n, struct pool *p, const uint16_t *targets, size_t rows, float scale,
                   bool first, float *nll, float *d_hidden, float *d_embed, struct phases *phases)
{
    struct loss h = {.net = n,
                     .targets = targets,
                     .scale = scale,
                     .add = !first,
                     .nll = nll,
                     .d_hidden = d_hidden,
                     .d_embed = d_embed};
    for (h.first = 0; h.first < rows; h.first += NET_HEAD_ROWS) {
        h.count = MIN((size_t)NET_HEAD_ROWS, rows - h.first);
        pool_run(p, rows_task, &h, DIV_UP(h.count, (size_t)NET_HEAD_TILE));
        phase_end(phases, PHASE_HEAD);
        pool_run(p, embed_task, &h, DIV_UP((size_t)n->dims.V, (size_t)EMBED_TILE));
        phase_end(phases, PHASE_EMBED);
        h.add = true;
    }
}
