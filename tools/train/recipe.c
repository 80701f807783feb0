#include "train/recipe.h"

/* v4 is FlashLM v4's, to the bit; swift is what won the races of RECIPES.md. */
const struct recipe recipe_table[] = {
    {
        .name = "v4",
        .optimiser = "adamw",
        .rates = {{8, 1, 4e-3}, {8, 2, 3e-3}, {8, 1, 4e-3}},
        .windows = BATCHES_STREAM,
        .schedule = SCHEDULE_COSINE,
        .decay_share = 0.5,
    },
    {
        .name = "swift",
        .optimiser = "muon",
        .settings = {{"muon_lr", 0.04}},
        .beta2_tokens = 1.4e6,
        .rates = {{8, 1, 8e-3}, {8, 2, 6e-3}, {8, 1, 8e-3}},
        .windows = BATCHES_STORY,
        .schedule = SCHEDULE_LINEAR,
        .decay_share = 0.6,
    },
};

const char *const recipe_names[] = {"v4", "swift", NULL};
