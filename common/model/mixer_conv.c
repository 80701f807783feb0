/* The gated convolution: K taps a channel, `dilation` positions apart. */
#include "model/mixer.h"

#include <string.h>

/* ---- whole sequences ------------------------------------------------------------------------- */

static void conv_init(struct net *n, int block, struct arena *a)
{
    n->block[block].taps = arena_alloc(a, (size_t)n->dims.K * (size_t)n->dims.D, sizeof(float));
}

/* Taps [D][K] become [K][D]: a tap of all channels is a row. */
static void turn_taps(const struct dims *d, const float *taps, float *out)
{
    for (int c = 0; c < d->D; c++)
        for (int i = 0; i < d->K; i++)
            out[(size_t)i * (size_t)d->D + (size_t)c] = taps[c * d->K + i];
}

static void conv_load(struct net *n, int block)
{
    turn_taps(&n->dims, n->params + dims_offset(&n->dims, TENSOR_TAPS, block),
              n->block[block].taps);
}

/* Taps that stay inside the sequence of a row at `pos`. */
static size_t taps_at(uint32_t pos, size_t K, size_t dilation)
{
    return MIN(K, pos / dilation + 1);
}

struct kern_conv mixer_conv_rows(const struct net *n, int block, const uint32_t *pos, size_t first,
                                 size_t end)
{
    size_t D = (size_t)n->dims.D;
    size_t K = (size_t)n->dims.K;
    size_t dilation = (size_t)n->dims.dilation[block];
    size_t n_taps = taps_at(pos[first], K, dilation);
    size_t rows = 1;
    while (first + rows < end && taps_at(pos[first + rows], K, dilation) == n_taps)
        rows++;
    return (struct kern_conv){
        n->block[block].taps + (K - n_taps) * D, n_taps, D, rows, dilation, 2 * D};
}

/* Looks back at rows of other tiles. */
static void conv_forward(const struct net *n, int block, const uint32_t *pos, struct span s,
                         size_t worker)
{
    const struct net_acts *t = &n->block[block].acts;
    size_t D = (size_t)n->dims.D;
    size_t end = s.first + s.count;
    struct kern_conv o;
    (void)worker;
    for (size_t r = s.first; r < end; r += o.rows) {
        o = mixer_conv_rows(n, block, pos, r, end);
        n->kern->conv(&o, t->gate_value + r * 2 * D + D, t->mix + r * D);
    }
}

static double conv_work(const struct dims *d)
{
    return (double)d->K * d->D;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void conv_pack(struct infer_weights *w, int block)
{
    const struct dims *d = &w->model->dims;
    float *taps = arena_alloc(&w->arena, (size_t)d->K * (size_t)d->D, sizeof *taps);
    w->block[block].taps = taps;
    if (taps)
        turn_taps(d, w->model->block[block].taps, taps);
}

/* A block's last P + 1 value vectors, P = (K-1)*dilation: row t mod (P + 1), and the same again P +
 * 1 rows later, so that the P rows before the newest always stand in a row before its second copy:
 * [2 (P + 1)][D]. With P = 3, after tokens 0 to 5:
 *
 *      4  5  2  3 | 4  5  2  3
 *            `--------^ the newest and the three before it */
static size_t conv_state(const struct dims *d, int block)
{
    return 2 * (dims_reach(d, block) + 1) * (size_t)d->D;
}

static void conv_step(struct infer *f, int block, const struct infer_row *rows, size_t n)
{
    const struct dims *d = &f->weights->model->dims;
    size_t D = (size_t)d->D;
    size_t K = (size_t)d->K;
    size_t back = (size_t)d->dilation[block];
    size_t n_ring = dims_reach(d, block) + 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t t = f->position[i];
        float *ring = rows[i].stream->state[block];
        size_t row = (size_t)(t % n_ring);
        float *v = ring + (n_ring + row) * D;
        memcpy(ring + row * D, f->mixer_value + i * D, D * sizeof *v);
        memcpy(v, f->mixer_value + i * D, D * sizeof *v);
        size_t n_taps = (size_t)MIN((uint64_t)K, t / back + 1);
        const float *taps = f->weights->block[block].taps + (K - n_taps) * D;
        f->weights->kern->exact.conv(v, back * D, taps, n_taps, D, f->mixed + i * D);
    }
}

const struct mixer mixer_conv = {
    .init = conv_init,
    .load = conv_load,
    .forward = conv_forward,
    .work = conv_work,
    .pack = conv_pack,
    .state = conv_state,
    .step = conv_step,
};
