/* toyrun.h - whole runs of train on tiny data, in a folder of their own: what the unit tests of
 * runs have in common. Whatever fails here fails the test. */
#ifndef TOYRUN_H
#define TOYRUN_H

#include "train/trainer.h"

enum {
    TOYRUN_STORIES = 200, /* of train.shard */
    TOYRUN_VARIANTS = 4   /* what a run may be: every recipe, and every kind of windows */
};

/* Group fixtures of cmocka: the folder with vocab.db, train.shard and valid.shard. */
int toyrun_setup(void **state);
int toyrun_teardown(void **state);
extern const char *const toyrun_data; /* its path */

/* A path in it; the last four stay as they are. */
const char *toyrun_path(const char *name);

/* A vocabulary of bytes: the four specials and all 256. It lives in static memory. */
void toyrun_vocab(struct vocab *v);

/* A shard of stories `first` to `end` of a row of them; its fingerprint. */
uint64_t toyrun_shard(const char *path, uint64_t vocabulary, size_t first, size_t end,
                      uint64_t seed);

/* A folder in the folder, whose stories are in shards that end at ends [n_shards], of these parts
 * unless NULL, with a list of them, and in turn the same validation. */
void toyrun_folder(const char *name, const size_t *ends, size_t n_shards, const char *const *parts);

/* A run of a tiny model for 40 steps in one thread. */
struct options toyrun_options(const char *save_dir);

/* Variant `number` of it, that saves to this name in the folder. */
struct options toyrun_variant(int number, const char *name);

/* Weights, then all that the optimiser keeps beside them. */
struct toyrun_weights {
    float *x;
    size_t n;
};
struct toyrun_weights toyrun_weights(const struct trainer *t);
void toyrun_same(struct toyrun_weights a, struct toyrun_weights b);
void toyrun_free(struct toyrun_weights w);

void toyrun_open(struct trainer *t, const struct options *o);

/* A whole run; what it ends with. */
struct toyrun_weights toyrun_run(struct options o);

/* Steps up to `last`, and saves. */
void toyrun_step_to(struct trainer *t, uint64_t last);

/* trainer_open fails, and says why. */
void toyrun_refuse(const struct options *o, const char *why);

#endif
