/* Back through the gated convolution: beside model/mixer_conv.c. */
#include "train/mixer_back.h"

#include <string.h>

#include "model/mixer.h"

static size_t conv_n_sums(const struct dims *d)
{
    return (size_t)d->K * (size_t)d->D; /* taps [K][D] */
}

/* Rows r, r + dilation, ... of r's own sequence, at most K: those whose convolution reads row r. */
static size_t later_rows(const struct grad *g, size_t r, size_t dilation, size_t K)
{
    const uint32_t *pos = g->part.pos;
    size_t n = 1;
    while (n < K && r + n * dilation < g->part.rows &&
           pos[r + n * dilation] == pos[r] + n * dilation)
        n++;
    return n;
}

/* mix[r] = sum over i of taps[K-1-i] * value[r - i dilation], so
 *   d_value[r] = sum over i of taps[K-1-i] * d_mix[r + i dilation]: looks at rows of other tiles;
 *   d_taps [K][D] = the span's part of the sum over r of d_mix[r] * value[r - i dilation] */
static void conv_back(const struct grad *g, struct span s, float *d_taps)
{
    const struct net *n = g->net;
    const struct net_block *b = &n->block[g->block];
    size_t D = (size_t)n->dims.D;
    size_t K = (size_t)n->dims.K;
    size_t dilation = (size_t)n->dims.dilation[g->block];
    size_t end = s.first + s.count;
    struct kern_conv o;
    memset(d_taps, 0, K * D * sizeof(float));
    for (size_t r = s.first; r < end; r += o.rows) {
        o = mixer_conv_rows(n, g->block, g->part.pos, r, end);
        n->kern->conv_taps(&o, g->d_mix + r * D, b->acts.gate_value + r * 2 * D + D,
                           d_taps + (K - o.n_taps) * D);
    }
    for (size_t r = s.first; r < end; r += o.rows) {
        o.n_taps = later_rows(g, r, dilation, K);
        o.taps = b->taps + (K - o.n_taps) * D;
        for (o.rows = 1; r + o.rows < end; o.rows++)
            if (later_rows(g, r + o.rows, dilation, K) != o.n_taps)
                break;
        n->kern->conv_back(&o, g->d_mix + r * D, g->d_gate_value.floats + r * 2 * D + D);
    }
}

/* Taps are stored [D][K]. */
static void conv_add_up(const struct grad *g, const float *sums, size_t stride, size_t n_tiles)
{
    size_t K = (size_t)g->net->dims.K;
    float *out = grad_of(g, TENSOR_TAPS, g->block);
    for (size_t i = 0; i < K; i++)
        grad_add_up(g, sums + i * (size_t)g->net->dims.D, stride, n_tiles, out + i, K);
}

const struct mixer_back mixer_conv_back = {
    .n_sums = conv_n_sums,
    .later = conv_back,
    .add_up = conv_add_up,
};
