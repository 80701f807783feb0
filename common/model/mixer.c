#include "model/mixer.h"

static const struct mixer *const table[DIMS_N_MIXERS] = {
    [DIMS_CONV] = &mixer_conv,
    [DIMS_ATTENTION] = &mixer_attention,
};

const struct mixer *mixer_of(const struct dims *d, int block)
{
    return table[d->mixer[block]];
}
