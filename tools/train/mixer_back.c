#include "train/mixer_back.h"

static const struct mixer_back *const table[DIMS_N_MIXERS] = {
    [DIMS_CONV] = &mixer_conv_back,
    [DIMS_ATTENTION] = &mixer_attention_back,
};

const struct mixer_back *mixer_back_of(const struct dims *d, int block)
{
    return table[d->mixer[block]];
}
