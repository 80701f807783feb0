/* ckpt.h - training checkpoints: safetensors with fixed names. Specification: CKPT.md.
 *
 * Weights under the names of dims.h (F32), what the optimiser keeps beside a weight as ARRAY.NAME,
 * everything else in the metadata. A file of weights alone (those of the original FlashLM v4,
 * converted; a model exported as safetensors) is read too, where no state is needed. */
#ifndef CKPT_H
#define CKPT_H

#include "dims/dims.h"
#include "format/safetensors.h"

enum {
    CKPT_VERSION = 3, /* an earlier one where it can hold model and run */
    CKPT_MAX_ARRAYS = 8,
    CKPT_MAX_PARTS = 16,
    CKPT_CURRICULUM_BYTES = 1024,
};

#define CKPT_UNKNOWN UINT64_MAX

/* Doubles are stored with 17 digits, so they are read back exactly; 64-bit words as decimal
 * integers. */

/* The settings of a run. Those of the optimiser are kept apart (ckpt_number). */
struct ckpt_settings {
    /* what may not change on resume */
    uint64_t seed;
    uint64_t batch;
    uint64_t accum;
    char accum_sum[16]; /* how its gradients were added: "tree" (CKPT.md), "" in older files */
    double lr;
    double min_lr;
    char windows[16];   /* how sequences are cut (CKPT.md) */
    char schedule[16];  /* shape of the learning rate: "cosine" or "linear" */
    double decay_share; /* of "linear": of the budget, in (0, 1] */
    char recipe[16];    /* name of the bundle that optimiser and schedule are of */
    char optimiser[16]; /* name */
    char curriculum[CKPT_CURRICULUM_BYTES]; /* text (CKPT.md); "" without one */
    uint64_t eval_tokens; /* validated on, of each part; 0: all; CKPT_UNKNOWN in older files */
    /* the budget, so that a resume without one goes on with it */
    uint64_t budget_steps;
    double budget_hours; /* 0: no clock */
    /* how it was last run */
    char precision[16]; /* "f32" or "bf16" */
    char isa[16];       /* cpu level name */
};

/* A part of the data of a run with a curriculum. */
struct ckpt_part {
    char name[33];
    uint64_t epoch, position; /* as of the whole */
    uint64_t tokens;          /* of the part, in that epoch */
    uint64_t rng[4];          /* the generator of its shuffle, as at the start of `epoch` */
};

/* The progress of a run. */
struct ckpt_progress {
    uint64_t step;           /* optimiser steps done */
    uint64_t tokens;         /* training tokens seen */
    uint64_t epoch;          /* epoch of the next window */
    uint64_t position;       /* windows of that epoch already taken */
    uint64_t rng[4];         /* the generator of the shuffle, as at the start of `epoch` */
    uint64_t sample_rng[4];  /* the generator of the sample stories */
    double share;            /* schedule progress, 0..1, never decreasing */
    double best_loss;        /* lowest validation loss; INFINITY before the first */
    uint64_t patience;       /* validations since the best */
    double elapsed;          /* seconds of training over all resumes */
    uint64_t validation_due; /* 1: a signal ended this step's validation, to be done on resume */
    struct ckpt_part parts[CKPT_MAX_PARTS]; /* with a curriculum, [n_parts] */
    size_t n_parts;
};

/* Fingerprints of what it is trained on. */
struct ckpt_prints {
    uint64_t vocab;
    uint64_t train; /* shards */
    uint64_t valid;
};

/* Everything of a run that is neither a tensor nor its optimiser's. */
struct ckpt_state {
    struct ckpt_settings settings;
    struct ckpt_progress progress;
    struct ckpt_prints prints;
};

/* What an optimiser keeps: settings, which are numbers by key, and arrays of the shape of a weight.
 * Not every weight needs all arrays. */
struct ckpt_number {
    const char *key;
    double value;
};
struct ckpt_array {
    const char *name; /* without a dot or a space, at most 31 bytes */
    size_t tensor;    /* number of the weight (dims_tensor) */
    const float *data;
};
struct ckpt_optim {
    const struct ckpt_number *numbers;
    size_t n_numbers;
    const struct ckpt_array *arrays; /* those of one name together, in the order of the tensors */
    size_t n_arrays;
};

struct ckpt {
    struct safetensors file;
    struct dims dims;
    bool has_state; /* metadata of a run present and complete */
    bool ternary; /* metadata "weights" = "ternary": linear weights are already alpha * {-1,0,1} */
    struct ckpt_state state;          /* without has_state: what the metadata tell, else zeroes */
    char arrays[CKPT_MAX_ARRAYS][32]; /* names of the optimiser's arrays, all checked */
    size_t n_arrays;                  /* 0: weights alone */
};

/* The version that a checkpoint is written in; state is NULL for weights alone. */
int ckpt_version(const struct dims *d, const struct ckpt_state *state);

/* Writes a checkpoint; params is a parameter array (dims.h). Whole or not at all. */
MUST_USE int ckpt_save(const char *path, const struct dims *d, const float *params,
                       const struct ckpt_optim *optim, const struct ckpt_state *state,
                       struct err *e);

/* Whether all numbers to be saved are finite: a checkpoint of others would not open. */
MUST_USE int ckpt_check_finite(const struct dims *d, const float *params,
                               const struct ckpt_optim *optim, struct err *e);

/* Whether dir has room for a file of ckpt_save with these dimensions: reserves it and releases it.
 */
MUST_USE int ckpt_check_room(const char *dir, const struct dims *d, const struct ckpt_optim *optim,
                             struct err *e);

/* Opens and checks: version, hyperparameters, presence, type and shape of every tensor, finite
 * numbers. Hyperparameters the metadata lack are taken from the shapes where these tell (V, D, H,
 * K, L). */
MUST_USE int ckpt_open(struct ckpt *c, const char *path, struct err *e);

/* Copies the weights into a parameter array of dims_n_floats(&c->dims); gaps are set to zero. */
void ckpt_read(const struct ckpt *c, float *params);

/* Copies the optimiser's array `name` of weight number `tensor`; an error if there is none. */
MUST_USE int ckpt_read_array(const struct ckpt *c, const char *name, size_t tensor, float *out,
                             struct err *e);

/* A number of the metadata; an error if it is missing or none. */
MUST_USE int ckpt_read_number(const struct ckpt *c, const char *key, double *out, struct err *e);

/* The settings of the optimiser, one after the other: those of the metadata that CKPT.md
 * does not name. *at is 0 at first; false after the last. */
bool ckpt_next_number(const struct ckpt *c, size_t *at, struct ckpt_number *out);

void ckpt_close(struct ckpt *c);

/* Writes weights alone, linear weights as given (dequantised: values in alpha * {-1,0,1}), with the
 * hyperparameters and weights=ternary in the metadata: `export --format safetensors`. */
MUST_USE int ckpt_save_weights(const char *path, const struct dims *d, const float *params,
                               uint64_t vocab_fingerprint, struct file_set *set, struct err *e);

/* As ckpt_open, but reads the file once before it is mapped (file_check_disk): for what is passed
 * over where its disk fails. */
MUST_USE int ckpt_open_read(struct ckpt *c, const char *path, struct err *e);

/* Opens the newest step-%09d.safetensors in dir that checks clean; without any, best.safetensors.
 * *path (dir included) is its name, which the caller frees, or NULL when there is none: then c is
 * not open. Damaged ones are passed over, the fault of each in *skipped, one a line, which the
 * caller frees (may be NULL on return); one that cannot be read at all is an error. */
MUST_USE int ckpt_open_newest(struct ckpt *c, const char *dir, char **path, char **skipped,
                              struct err *e);

/* Opens the model of a folder: best.safetensors; without it the newest step that checks clean; or
 * the model.safetensors of a folder that transformers opens. A best.safetensors that does not open
 * is an error: another in its place would silently be a worse model. *path is its name, which the
 * caller frees; NULL after a failure. */
MUST_USE int ckpt_open_best(struct ckpt *c, const char *dir, char **path, struct err *e);

/* The error of a folder in which none was found, "DIR: `what`"; where prep wrote the folder, it
 * says that. Always -1. */
int ckpt_none(const char *dir, const char *what, struct err *e);

/* Deletes all but the newest `keep` (0 keeps all) of the step-*.safetensors up to `step`, the one
 * just written. Later ones do not count: they can only be damaged files that were passed over. */
MUST_USE int ckpt_prune(const char *dir, uint64_t step, size_t keep, struct err *e);

/* Whether dir holds any step-*.safetensors or best.safetensors. No folder holds none; one that
 * cannot be listed is an error. */
MUST_USE int ckpt_any(const char *dir, bool *any, struct err *e);

/* Deletes the temporaries that a killed writer of checkpoints left in dir. No other process may be
 * writing there. */
void ckpt_remove_strays(const char *dir);

#endif
