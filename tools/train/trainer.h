/* trainer.h - a training run: all its data, and its operations.
 *
 * Opened once from the options (setup.c), driven by the loop (loop.c). All memory for steps is one
 * arena; a step allocates nothing. */
#ifndef TRAINER_H
#define TRAINER_H

#include "format/ckpt.h"
#include "format/shardset.h"
#include "ranks/ranks.h"
#include "text/tokenizer.h"
#include "train/batches.h"
#include "train/exchange.h"
#include "train/grad.h"
#include "train/log.h"
#include "train/mixture.h"
#include "train/optim.h"
#include "train/options.h"
#include "train/phases.h"
#include "train/schedule.h"
#include "train/sums.h"

struct trainer {
    struct options options;
    struct ranks ranks;       /* of which this process is one */
    struct exchange exchange; /* laid out if there are others */
    struct dims dims;
    struct kern kern;
    struct pool *pool;
    struct arena arena;
    struct shardset train;
    struct shardset valid;                       /* zeroed with --eval-every 0 */
    struct shardset valid_parts[CKPT_MAX_PARTS]; /* of `valid`; all of it where there are none */
    struct pieces valid_pieces[CKPT_MAX_PARTS];  /* of them, where sequences are stories */
    size_t n_valid_parts;
    size_t had_shards; /* of a resumed run: shards of `train` that its current epoch has */
    struct vocab vocab;
    struct tokenizer *tokenizer;
    struct net net;
    struct grad grad;
    struct sums sums;     /* the gradients of a step's micro-batches */
    struct phases phases; /* adds up from step to step; phases_start starts again */
    struct optim optim;
    struct batches batches; /* of a run without a curriculum */
    struct mixture mixture; /* of one with it */
    struct schedule schedule;
    float *params;     /* [dims_n_floats] master weights */
    uint16_t *tokens;  /* [batch * T] */
    uint16_t *targets; /* [batch * T] */
    uint32_t *pos;     /* [batch * T] of these tokens in their sequences */
    struct log log;
    struct rng story_rng;
    struct ckpt_settings settings;
    struct optim_settings optim_settings;
    struct ckpt_progress progress; /* kept up to date but for epoch, position and the generators */
    struct ckpt_prints prints;
    double best_stands; /* loss of a best.safetensors that is of a later step than what the run goes
                           on from; INFINITY without one */
    bool caught;        /* a signal, by any rank, as the loop last saw it */
    char *resumed_from; /* owned; NULL for a fresh run */
    char *begun_from;   /* owned; whose weights a fresh run has; NULL for its own */
    uint16_t *made_up;  /* owned; the tokens of --bench */
    int *held;          /* owned; descriptors of vocabularies, [n_held] */
    size_t n_held, held_capacity;
    size_t memory; /* bytes of the arena */
};

/* Opens data, decides the model, lays out memory, makes or reads weights, and opens the log, which
 * keeps other runs out of the folder. trainer_close also after a failure. */
MUST_USE int trainer_open(struct trainer *t, const struct options *o, struct err *e);
void trainer_close(struct trainer *t);

struct trainer_step {
    double loss;      /* nats a token, mean over the step's batches */
    double grad_norm; /* before clipping */
    double lr;
};

/* True for the rank that decides and writes: the only one of a run without ranks. */
bool trainer_is_first(const struct trainer *t);

/* All ranks call the functions below together, except those for the first rank. */

/* One optimiser step. A loss or gradient that is not finite is an error and leaves the weights as
 * they were. */
MUST_USE int trainer_step(struct trainer *t, struct trainer_step *out, struct err *e);

/* What a validation gave. */
struct trainer_losses {
    double loss; /* nats a token: of one part, or the mean of several */
    double bpc;  /* bits per character, likewise */
    struct {
        double loss, bpc;
    } part[CKPT_MAX_PARTS]; /* of t->valid_parts */
};

/* Whether a sequence is a piece of a story, and not a window of the stream (batches.h). */
bool trainer_reads_stories(const struct trainer *t);

/* For the first rank: losses over the first tokens of each part, in sequences like those of
 * training: windows of T+1 tokens that do not overlap (FlashLM v4's way), or pieces of stories, all
 * whole but perhaps the last. False if a signal (cli_caught) ended it before it
 * was done. */
MUST_USE bool trainer_validate(struct trainer *t, struct trainer_losses *out);

/* Epochs that are over; with a curriculum, how often it has seen as many tokens as its parts have.
 */
uint64_t trainer_epoch(const struct trainer *t);

/* Share of the ternary weights that are 0, as last quantised; blocks[0..L-1] get each block's. */
double trainer_zero_share(const struct trainer *t, double blocks[]);

/* Brings all master weights and the optimiser's state to the first rank, for stories and saving. */
MUST_USE int trainer_gather(struct trainer *t, struct err *e);

/* For the first, after trainer_gather: writes all state to save_dir/name. */
MUST_USE int trainer_save(struct trainer *t, const char *name, struct err *e);

/* For the first, after trainer_gather: whether what is to be saved is finite. */
MUST_USE int trainer_check_finite(const struct trainer *t, struct err *e);

/* For the first: whether save_dir has room for a checkpoint now. */
MUST_USE int trainer_check_room(const struct trainer *t, struct err *e);

#endif
