/* curriculum.h - which parts of the data a run learns from, and when.
 *
 * A curriculum is stages, each a share of the run's budget, and in each a mixture of parts whose
 * weights may go from one number to another. Its text has a line a stage:
 *
 *     30%: tiny
 *     40%: tiny 3 to 1, simple
 *     30%: simple 1 to 0, edu 1 to 4
 *
 * The share of a part at some moment is its weight there by the sum of all. Sequences are drawn in
 * these proportions without noise: number n of the run (from 0) falls on the point x + n g of the
 * circle, where g is the golden ratio and x comes of the seed, and on the part whose arc it meets
 * (the additive recurrence of low discrepancy: Weyl 1916; Knuth, TAOCP 3, 6.4). So the number of a
 * part's sequences never strays from its share by more than a few, over any stretch of the run. */
#ifndef CURRICULUM_H
#define CURRICULUM_H

#include "format/ckpt.h"

enum { CURRICULUM_MAX_STAGES = 32, CURRICULUM_MAX_PARTS = CKPT_MAX_PARTS };

struct curriculum_stage {
    double end;                        /* of the budget, 0..1, where it ends */
    double from[CURRICULUM_MAX_PARTS]; /* weight of each part as it begins */
    double to[CURRICULUM_MAX_PARTS];   /* and as it ends */
};

struct curriculum {
    size_t n_parts; /* known, of which it may leave some out */
    size_t n_stages;
    struct curriculum_stage stages[CURRICULUM_MAX_STAGES];
};

/* Reads a text. `parts` are the names that it may use. Shares may add up to 0.1 % more or less than
 * 100 %, of which they are then. An error begins with "line N: ". */
MUST_USE int curriculum_parse(struct curriculum *c, const char *text, const char *const *parts,
                              size_t n_parts, struct err *e);

/* The same curriculum in one line, stages separated by "; ", which curriculum_parse reads too. An
 * error if it is longer than a checkpoint holds. */
MUST_USE int curriculum_text(const struct curriculum *c, const char *const *parts,
                             char out[CKPT_CURRICULUM_BYTES], struct err *e);

/* The stage that a run is in when `progress` (0..1) of its budget is spent. */
size_t curriculum_stage(const struct curriculum *c, double progress);

/* The parts' shares then: [n_parts], which add up to 1. */
void curriculum_shares(const struct curriculum *c, double progress, double *shares);

/* The same as stage i ends. */
void curriculum_stage_end(const struct curriculum *c, size_t i, double *shares);

/* Whether the part stands in any stage. */
bool curriculum_uses(const struct curriculum *c, size_t part);

/* The part that sequence n of the run is of. */
size_t curriculum_draw(const double *shares, size_t n_parts, uint64_t seed, uint64_t n);

#endif
