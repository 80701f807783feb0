/* preset.h - models by their names, each with the recipe that it is trained by. */
#ifndef PRESET_H
#define PRESET_H

#include "dims/dims.h"

enum preset_kind { PRESET_SMALL, PRESET_LARGE, PRESET_SWIFT, N_PRESETS };

struct preset {
    const char *name;
    void (*dims)(struct dims *d, int V);
    int vocab;          /* tokens of the vocabulary that goes with it (prep --preset) */
    const char *recipe; /* where no option asks for another */
};

extern const struct preset preset_table[N_PRESETS];
extern const char *const preset_names[]; /* in their order, NULL after the last */

#endif
