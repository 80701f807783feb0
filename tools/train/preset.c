#include "train/preset.h"

const struct preset preset_table[N_PRESETS] = {
    [PRESET_SMALL] = {"small", dims_small, "v4"},
    [PRESET_LARGE] = {"large", dims_large, "v4"},
    [PRESET_SWIFT] = {"swift", dims_swift, "swift"},
};

const char *const preset_names[] = {"small", "large", "swift", NULL};
