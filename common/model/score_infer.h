/* score_infer.h - scores with the arithmetic of inference (infer.h), exact or int8.
 *
 * The rows of a run are cut into tasks at the beginnings of sequences, a long sequence also within,
 * where the task reads the dims_context(d) tokens before its first row again. A worker takes whole
 * tasks: it feeds their rows, of as many sequences as come, through a workspace of its own and
 * turns a few rows at a time into logits, which stay in its cache. So workers meet only at the end
 * of a run, and every loss is the same bits on every level and for any number of threads. */
#ifndef SCORE_INFER_H
#define SCORE_INFER_H

#include "model/infer.h"
#include "model/score.h"

struct score_infer_worker;

struct score_infer {
    struct score_engine engine; /* its state is this struct, which must not move */
    const struct infer_weights *weights;
    struct pool *pool;
    struct score_infer_worker *workers; /* [threads of the pool] */
    size_t *tasks;                      /* the first row of each, and the end of the last */
    size_t n_tasks;
    const uint16_t *tokens; /* of the run at hand */
    const uint32_t *pos;
    const uint16_t *targets;
    float *nll;
};

/* A good max_rows: enough for every thread to have a fair share of a run. */
size_t score_infer_rows(const struct dims *d, int n_threads);

/* Lays out memory in the arena (measuring or mapped) for runs of up to max_rows rows. w and p are
 * used as long as s. */
void score_infer_init(struct score_infer *s, const struct infer_weights *w, struct pool *p,
                      size_t max_rows, struct arena *a);

#endif
