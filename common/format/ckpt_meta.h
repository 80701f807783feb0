/* ckpt_meta.h - the metadata of a checkpoint: hyperparameters and the state of a run as strings.
 * Used by ckpt.c only; the keys are those of CKPT.md. */
#ifndef CKPT_META_H
#define CKPT_META_H

#include "format/ckpt.h"

enum { CKPT_META_MAX = 100, CKPT_META_VALUE = DIMS_MIXERS_TEXT };

/* Metadata in the making, with the storage of its values. Zero-initialise. */
struct ckpt_meta {
    struct st_meta items[CKPT_META_MAX];
    char values[CKPT_META_MAX][CKPT_META_VALUE];
    size_t n;
};

/* Each appends; keys are string constants. */
void ckpt_meta_text(struct ckpt_meta *list, const char *key, const char *text);
void ckpt_meta_u64(struct ckpt_meta *list, const char *key, uint64_t n);
/* With the version that model and run need; state is NULL for weights alone. */
void ckpt_meta_dims(struct ckpt_meta *list, const struct dims *d, const struct ckpt_state *state);
void ckpt_meta_state(struct ckpt_meta *list, const struct ckpt_state *s);
void ckpt_meta_optim(struct ckpt_meta *list, const struct ckpt_optim *o);

/* Overwrites what the metadata tell of *d, with dilations of 1 where these are missing, and checks
 * all ranges. */
MUST_USE int ckpt_meta_read_dims(const struct safetensors *file, struct dims *d, const char *path,
                                 struct err *e);

/* Reads what the metadata of a file of ours (one with a checkpoint_version) tell of *s. With a step
 * they must hold everything, and *complete is set. Another version is an error. */
MUST_USE int ckpt_meta_read_state(const struct safetensors *file, struct ckpt_state *s,
                                  bool *complete, const char *path, struct err *e);

/* Which arrays of an optimiser the file holds, by its metadata. */
struct ckpt_meta_arrays {
    char name[CKPT_MAX_ARRAYS][32];
    int n_tensors[CKPT_MAX_ARRAYS]; /* how many weights have it */
    size_t n;
    bool guessed; /* the metadata do not say: those of 0.1.0, which may be missing altogether */
};

/* n_tensors: those of the model. */
MUST_USE int ckpt_meta_read_arrays(const struct safetensors *file, int n_tensors,
                                   struct ckpt_meta_arrays *out, const char *path, struct err *e);

/* Whether CKPT.md names the key; the others are the optimiser's. */
bool ckpt_meta_is_named(const char *key);

/* The number that is the whole text; false if it is none. */
bool ckpt_meta_real(const char *text, double *out);

#endif
