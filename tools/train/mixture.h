/* mixture.h - the sequences of training steps from several parts, by a curriculum.
 *
 * Each part has epochs of its own, in an order of its own. The sequences of a batch stand part by
 * part. What comes depends on the stories, the curriculum, T, B, kind, seed, and on the progress at
 * each step. */
#ifndef MIXTURE_H
#define MIXTURE_H

#include "train/batches.h"
#include "train/curriculum.h"

struct mixture_part {
    const char *name; /* lives as long as the data */
    struct shardset set;
    struct batches batches;
    bool used; /* else it has no batches */
};

struct mixture { /* zero-initialise: none; mixture_close in any case */
    struct curriculum curriculum;
    struct mixture_part part[CURRICULUM_MAX_PARTS];
    size_t n; /* parts; 0: no curriculum */
    uint64_t seed;
    double shares[CURRICULUM_MAX_PARTS]; /* of the current step */
    uint64_t next;                       /* sequence of the run */
};

/* The names of the parts of the data, in order; 0 for data without parts. */
size_t mixture_names(const struct shardset *data, const char *names[CURRICULUM_MAX_PARTS]);

/* Prepares the parts of `data` for a curriculum, given as text. An error if one that it uses has
 * less than a sequence of T tokens. */
MUST_USE int mixture_open(struct mixture *m, const struct shardset *data, const char *text,
                          int kind, size_t T, uint64_t seed, struct err *e);
void mixture_close(struct mixture *m);

/* Lays out memory. */
void mixture_init(struct mixture *m, int kind, size_t T, struct arena *a);

/* Begins at the start, or where a checkpoint was: an error if it does not fit the data. */
void mixture_start(struct mixture *m);
MUST_USE int mixture_resume(struct mixture *m, const struct ckpt_progress *p, struct err *e);
void mixture_save(const struct mixture *m, struct ckpt_progress *p);

/* Sequences that all used parts have together. */
uint64_t mixture_windows(const struct mixture *m);

/* To be called before each step: how far the run is, and how many sequences it has seen. */
void mixture_begin_step(struct mixture *m, double progress, uint64_t n_seen);

/* Takes `count` sequences, as batches_take. */
void mixture_take(struct mixture *m, size_t count, uint16_t *tokens, uint16_t *targets,
                  uint32_t *pos);

#endif
