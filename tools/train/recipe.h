/* recipe.h - optimiser and schedule as a named bundle: the values of options that are not given. */
#ifndef RECIPE_H
#define RECIPE_H

#include "train/batches.h"
#include "train/preset.h"
#include "train/schedule.h"

enum { RECIPE_MAX_SETTINGS = 8 };

struct recipe {
    const char *name;
    const char *optimiser;
    struct recipe_setting {
        const char *key;
        double value;
    } settings[RECIPE_MAX_SETTINGS]; /* key NULL after the last; others are the optimiser's own */
    double beta1_tokens;             /* half-lives of the moments; 0: beta1 and beta2 as above */
    double beta2_tokens;
    struct recipe_rates {
        unsigned batch, accum;
        double lr;
    } rates[N_PRESETS]; /* for the model of each preset */
    int windows;        /* enum batches_kind */
    int schedule;       /* enum schedule_shape */
    double decay_share; /* of SCHEDULE_LINEAR, also where an option asks for that */
};

/* The first is the default. */
extern const struct recipe recipe_table[];
extern const char *const recipe_names[]; /* in their order, NULL after the last */

#endif
