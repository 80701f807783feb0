/* optim.h - optimisers: what a step makes of a gradient.
 *
 * An optimiser is an entry of a table: a name, and for each form of tensor the rule that steps it.
 * A rule keeps arrays of numbers beside a tensor, which go into checkpoints by name, and has
 * settings, which do so too. To add one: its own .c and .h, a line in optim_kinds, train.1, and
 * tests/unit/optim.c asks of it what it asks of all of them. */
#ifndef OPTIM_H
#define OPTIM_H

#include "base/arena.h"
#include "base/pool.h"
#include "dims/dims.h"
#include "kern/kern.h"
#include "train/slices.h"

enum {
    OPTIM_MAX_ARRAYS = 4,    /* of a rule */
    OPTIM_MAX_SETTINGS = 24, /* of an optimiser */
    OPTIM_PIECE = 16384      /* floats whose squares the norm adds up at a time */
};
#define OPTIM_PIECES(n) DIV_UP(n, (size_t)OPTIM_PIECE) /* of an array of n floats */

/* What a mean over steps may keep of itself in a step is below this: nearer to 1 a float has no
 * digits left for 1 - beta, what it takes in. */
#define OPTIM_BETA_BELOW 0.9999999

/* A setting of a rule. Optimisers that share a key mean the same by it. */
struct optim_setting {
    const char *key; /* in the metadata of checkpoints */
    double value;    /* default */
    double least;    /* allowed: from least to below `below` */
    double below;
    bool whole; /* only whole numbers */
};

struct optim_rule;

/* A tensor as its rule sees it. */
struct optim_tensor {
    struct tensor tensor; /* form, shape, offset in the parameter array */
    const struct optim_rule *rule;
    struct slices_part own;         /* what of it is stepped here: all, unless there are ranks */
    const double *settings;         /* of the rule, in its order */
    float *state[OPTIM_MAX_ARRAYS]; /* [n] in the order of the rule's arrays; zero before step 1.
                                       Padded with zeroes to a multiple of DIMS_ALIGN */
    void *scratch;                  /* what the rule laid out for this step, else NULL */
};

/* What all tasks of a step share. */
struct optim_step {
    float *params;         /* [dims_n_floats] */
    const float *gradient; /* [dims_n_floats] */
    double norm;           /* of the gradient, as optim_norm has it */
    double lr;
    double share;    /* of the highest learning rate: 1 at the peak of the schedule */
    uint64_t number; /* 1, 2, ... */
    /* set by optim_step */
    const struct kern *kern;
    float g_scale; /* the gradient counts times this (clipping) */
};

/* How a tensor is stepped: rounds of tasks. Between two rounds all threads wait, so a task reads
 * what earlier rounds wrote for this tensor, and writes what no other task of its round touches.
 * The tasks of many tensors run together in one round, so a rule of many rounds does not wait for
 * each tensor. How a tensor is cut may depend on its shape, never on the number of threads. */
struct optim_rule {
    const char *arrays[OPTIM_MAX_ARRAYS]; /* names, NULL after the last */
    const struct optim_setting *settings;
    size_t n_settings;
    size_t n_rounds;
    /* Lays out memory for one tensor in the arena (measuring or not): its own until it has been
     * stepped, with anything in it at first, since others use it before and after; NULL: none. */
    void *(*scratch)(const struct optim_tensor *t, const struct kern *k, struct arena *a);
    /* Floats that a task wants for itself while it runs; NULL: none. */
    size_t (*spare)(const struct optim_tensor *t);
    /* 0 where the tensor sits out a round, as its settings may say. A rule of many rounds has its
     * tensors whole; one of one round steps own.n floats from own.first on. */
    size_t (*n_tasks)(const struct optim_tensor *t, size_t round);
    /* spare: as long as asked for, with anything in it, aligned to 64 bytes. */
    void (*run)(const struct optim_step *s, const struct optim_tensor *t, size_t round, size_t task,
                float *spare);
    /* Floating-point operations of a step; NULL where they are few beside what it moves. */
    double (*flops)(const struct optim_tensor *t);
};

struct optim_kind {
    const char *name;
    const struct optim_rule *rule[TENSOR_N_FORMS];
};

/* All of them; the first is the default. */
extern const struct optim_kind *const optim_kinds[];
enum { OPTIM_N_KINDS = 2 };

/* NULL if there is none of this name. */
const struct optim_kind *optim_find(const char *name);

/* The settings of a kind: the first is grad_clip, the largest global norm of a gradient (0 never
 * clips), then those of its rules, each rule once. */
size_t optim_n_settings(const struct optim_kind *kind);
const struct optim_setting *optim_setting(const struct optim_kind *kind, size_t i);

/* A kind with a value for each setting. */
struct optim_settings {
    const struct optim_kind *kind;
    double values[OPTIM_MAX_SETTINGS];
};
struct optim_settings optim_defaults(const struct optim_kind *kind);

/* The value of a key, to be read or changed; NULL if the kind has none such. */
double *optim_value(struct optim_settings *s, const char *key);

/* Whether a setting may have this value; what is wrong is said without a place. */
MUST_USE int optim_check(const struct optim_setting *q, double value, struct err *e);

/* Changes a value as a command line says it, KEY=VALUE. */
MUST_USE int optim_set(struct optim_settings *s, const char *text, struct err *e);

struct optim {
    struct optim_settings settings;
    const struct kern *kern;
    size_t n; /* floats of the parameter array */
    size_t n_tensors;
    struct optim_tensor *tensors; /* [n_tensors] in the order of dims_tensor */
    size_t *first_task;           /* scratch: [n_tensors + 1] of the round under way */
    double *sums;                 /* scratch of the norm */
    unsigned char *scratch;       /* of the tensors that are stepped together */
    size_t scratch_bytes;
    size_t wave;  /* floats of them, about */
    float *spare; /* [workers][spare_size] of tasks */
    size_t spare_size;
};

/* Lays out the state of all tensors in the arena, and what n_threads workers need. Those parts are
 * stepped that `rank` owns by `slices`, or all where this is NULL. *o stays where it is, and so
 * does *k. */
void optim_init(struct optim *o, const struct optim_settings *settings, const struct dims *d,
                const struct kern *k, int n_threads, const struct slices *slices, int rank,
                struct arena *a);

/* Floating-point operations of a step here; 0 where they are few beside what it moves. */
double optim_flops(const struct optim *o);

/* Global 2-norm of a gradient; the same bits for any number of threads. */
double optim_norm(struct optim *o, struct pool *p, const float *gradient);

/* The same in two steps. The sums of squares of those pieces that `counts` names (NULL: of all), 0
 * for the others: out [OPTIM_PIECES(n)]; and what all of them give. */
void optim_squares(struct optim *o, struct pool *p, const float *gradient, const bool *counts,
                   double *out);
double optim_norm_of(const struct optim *o, const double *squares);

/* A step along gradient * min(1, grad_clip / (norm + 1e-6)), unless a rule says otherwise. */
void optim_step(struct optim *o, struct pool *p, const struct optim_step *s);

#endif
