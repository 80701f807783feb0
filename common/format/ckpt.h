/* ckpt.h - training checkpoints: safetensors with fixed names. Specification: CKPT.md.
 *
 * Weights under the names of dims.h (F32), the AdamW moments beside them as adam_m.NAME and
 * adam_v.NAME, everything else in the metadata. A file of weights alone (those of the original
 * FlashLM v4, converted; a model exported as safetensors) is read too, where no state is needed. */
#ifndef CKPT_H
#define CKPT_H

#include "dims/dims.h"
#include "format/safetensors.h"

enum { CKPT_VERSION = 1 };

/* Everything of a run that is not a tensor. Doubles are stored with 17 digits, so they return
 * exactly; 64-bit words as decimal integers. */
struct ckpt_state {
    uint64_t step;           /* optimiser steps done */
    uint64_t tokens;         /* training tokens seen */
    uint64_t epoch;          /* epoch of the next window */
    uint64_t position;       /* windows of that epoch already taken */
    uint64_t rng[4];         /* the generator of the shuffle, as at the start of `epoch` */
    uint64_t sample_rng[4];  /* the generator of the sample stories */
    double progress;         /* schedule progress, 0..1, never decreasing */
    double best_loss;        /* lowest validation loss; INFINITY before the first */
    uint64_t patience;       /* validations since the best */
    double elapsed;          /* seconds of training over all resumes */
    uint64_t validation_due; /* 1: a signal ended this step's validation, to be done on resume */
    /* the budget, so that a resume without one goes on with it */
    uint64_t budget_steps;
    double budget_hours; /* 0: no clock */
    /* what may not change on resume */
    uint64_t seed;
    uint64_t batch;
    uint64_t accum;
    char accum_sum[16]; /* how its gradients were added: "tree" (CKPT.md), "" in older files */
    double lr;
    double min_lr;
    double weight_decay;
    double beta1, beta2, adam_eps, clip;
    uint64_t vocab_fingerprint;
    uint64_t train_fingerprint; /* shards */
    uint64_t valid_fingerprint;
    char precision[16]; /* "f32" or "bf16" */
    char isa[16];       /* cpu level name it was last run with */
};

struct ckpt {
    struct safetensors file;
    struct dims dims;
    bool has_state;   /* metadata of a run present and complete */
    bool has_moments; /* adam_m and adam_v of every tensor present */
    bool ternary; /* metadata "weights" = "ternary": linear weights are already alpha * {-1,0,1} */
    struct ckpt_state state; /* without has_state: what the metadata tell, else zeroes */
};

/* Writes a checkpoint; params, m and v are parameter arrays (dims.h). Whole or not at all. */
MUST_USE int ckpt_save(const char *path, const struct dims *d, const float *params, const float *m,
                       const float *v, const struct ckpt_state *state, struct err *e);

/* Whether dir has room for a file of ckpt_save with these dimensions: reserves it and lets go. */
MUST_USE int ckpt_check_room(const char *dir, const struct dims *d, struct err *e);

/* Opens and checks: version, hyperparameters, presence, type and shape of every tensor, finite
 * weights. Hyperparameters the metadata lack are taken from the shapes where these tell (V, D, H,
 * K, L). */
MUST_USE int ckpt_open(struct ckpt *c, const char *path, struct err *e);

/* Copies weights and, where m and v are not NULL, the moments (an error if the file has none).
 * Arrays of dims_n_floats(&c->dims); gaps are set to zero. */
MUST_USE int ckpt_read(const struct ckpt *c, float *params, float *m, float *v, struct err *e);
void ckpt_close(struct ckpt *c);

/* Writes weights alone, linear weights as given (dequantised: values in alpha * {-1,0,1}), with the
 * hyperparameters and weights=ternary in the metadata: `export --format safetensors`. */
MUST_USE int ckpt_save_weights(const char *path, const struct dims *d, const float *params,
                               uint64_t vocab_fingerprint, struct file_set *set, struct err *e);

/* Opens the newest step-%09d.safetensors in dir that checks clean; without any, best.safetensors.
 * *path (dir included) is its name, which the caller frees, or NULL when there is none: then c is
 * not open. Damaged ones are passed over, the fault of each in *skipped, one a line, which the
 * caller frees (may be NULL on return). */
MUST_USE int ckpt_open_newest(struct ckpt *c, const char *dir, char **path, char **skipped,
                              struct err *e);

/* Deletes all but the newest `keep` (0 keeps all) of the step-*.safetensors up to `step`, the one
 * just written. Later ones, which only a damaged file passed over can be, do not count. */
MUST_USE int ckpt_prune(const char *dir, uint64_t step, size_t keep, struct err *e);

/* True if dir holds any step-*.safetensors or best.safetensors. */
bool ckpt_any(const char *dir);

/* Deletes the temporaries that a killed writer of checkpoints left in dir. Nobody else may be
 * writing there. */
void ckpt_remove_strays(const char *dir);

#endif
