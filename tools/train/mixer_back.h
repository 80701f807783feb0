/* mixer_back.h - back through a block's mixer: the other half of model/mixer.h, a table with the
 * same entries.
 *
 * It runs in the two rounds of tiles of rows that a block has (grad.h): `own` once g->d_mix of the
 * tile's rows is there, `later` once all tiles are through with that. What a mixer's tensors get is
 * summed over the rows of a tile into `sums`, and over the tiles, in their order, by `add_up`. */
#ifndef MIXER_BACK_H
#define MIXER_BACK_H

#include "train/grad.h"

struct mixer_back {
    /* Lays out what g needs for blocks of this kind: once, if the model has any. NULL: nothing. */
    void (*init)(struct grad *g, int n_workers, struct arena *a);

    /* Floats of a tile's sums. */
    size_t (*n_sums)(const struct dims *d);

    /* What the tile's d_mix tells alone. NULL: nothing. */
    void (*own)(const struct grad *g, struct span s, size_t worker, float *sums);

    /* d_value of the tile's rows (in g->d_gate_value), and d_query_key if the block has these. */
    void (*later)(const struct grad *g, struct span s, float *sums);

    /* The gradients of its tensors but the ternary ones, from n_tiles sums, `stride` floats apart.
     */
    void (*add_up)(const struct grad *g, const float *sums, size_t stride, size_t n_tiles);
};

extern const struct mixer_back mixer_conv_back, mixer_attention_back;

/* That of a block. */
const struct mixer_back *mixer_back_of(const struct dims *d, int block);

#endif
