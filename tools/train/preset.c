#include "train/preset.h"

const struct preset preset_table[N_PRESETS] = {
    [PRESET_SMALL] = {"small", dims_small, 10000, "v4"},
    [PRESET_LARGE] = {"large", dims_large, 10000, "v4"},
    [PRESET_SWIFT] = {"swift", dims_swift, 4096, "swift"},
};

const char *const preset_names[] = {"small", "large", "swift", NULL};
