/* Back through the gated convolution: beside model/mixer_conv.c. */
#include "train/mixer_back.h"

#include <string.h>

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
    const struct net_block *b = &g->net->block[g->block];
    const struct kern *k = g->net->kern;
    size_t D = (size_t)g->net->dims.D;
    size_t K = (size_t)g->net->dims.K;
    size_t dilation = (size_t)g->net->dims.dilation[g->block];
    memset(d_taps, 0, K * D * sizeof(float));
    for (size_t r = s.first; r < s.first + s.count; r++) {
        const float *d_mix = g->d_mix + r * D;
        size_t later = later_rows(g, r, dilation, K);
        k->conv_back(d_mix, dilation * D, b->taps + (K - later) * D, later, D,
                     g->d_gate_value.floats + r * 2 * D + D);
        size_t n_taps = MIN(K, g->part.pos[r] / dilation + 1);
        for (size_t i = 0; i < n_taps; i++)
            k->mul_add(d_mix, b->acts.gate_value + (r - i * dilation) * 2 * D + D, D,
                       d_taps + (K - 1 - i) * D);
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
