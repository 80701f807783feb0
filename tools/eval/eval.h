/* eval.h - scores files of text or shards with one model. */
#ifndef EVAL_H
#define EVAL_H

#include "load/load.h"
#include "cli/cli.h"
#include "corpus/gather.h"
#include "eval/input.h"
#include "eval/team.h"
#include "format/shardset.h"
#include "model/score_infer.h"
#include "model/score_net.h"

/* The arithmetic of the original v4 script: of the first 500 stories those longer than 50
 * characters, the first token of each given but not scored, at most 256 predictions a story, no EOS
 * - while the characters of the whole story count. */
enum { EVAL_V4_STORIES = 500, EVAL_V4_MIN_CHARS = 51, EVAL_V4_PREDICTIONS = 256 };

/* What is done with the files. */
struct eval_options {
    enum model_math math;
    struct corpus_options corpus;
    bool v4_scoring;
    int plan_threads; /* 0, or how many to project the work for, which one does */
};

/* What a plan tells apart. */
enum eval_phase { EVAL_READ, EVAL_SCORE, EVAL_N_PHASES };
extern const char *const eval_phases[EVAL_N_PHASES];

/* A model ready to score, and what reading text takes. */
struct eval {
    struct eval_options options;
    struct ranks *ranks; /* of which this process is one */
    struct modelfile file;
    struct kern kern;
    struct pool *pool;
    struct plan *plan;           /* that the pool is, with o.plan_threads; else NULL */
    struct score_engine planned; /* then: the engine below, its time noted */
    struct arena arena;
    const struct score_engine *engine; /* one of the two, or the team's */
    struct team team;                  /* of many ranks */
    struct score_net score_net;        /* f32 */
    struct net net;
    float *params;                  /* of the net: the model expanded to floats */
    struct score_infer score_infer; /* exact, int8 */
    struct infer_weights weights;
    struct gather *gather;
    struct corpus_counts counts; /* of all files */
};

struct eval_result {
    const char *name; /* the file's, or NULL for the total of several */
    const char *part; /* of a folder; NULL without */
    struct score_sum sum;
    struct score_sum v4; /* all zero unless v4_scoring */
    double seconds;
};

/* Opens the model (load_open) and prepares it. For all ranks, which must have the same program and
 * model; *r stays where it is. eval_close in any case. */
MUST_USE int eval_open(struct eval *v, struct ranks *r, const struct eval_options *o,
                       const char *model, const char *vocab, const struct cpu_level *level,
                       int n_threads, struct err *e);
void eval_close(struct eval *v);

/* All ranks but the first, which alone calls eval_input: computes for it until it calls eval_end.
 */
MUST_USE int eval_serve(struct eval *v, struct err *e);
MUST_USE int eval_end(struct eval *v, struct err *e);

/* Scores every story of a text file of any form, of a shard, or of a folder's validation. `done` of
 * `total` bytes of the files have been read already: for the progress line. An input without a
 * story is an error. */
MUST_USE int eval_input(struct eval *v, const struct eval_input *in, struct cli_progress *p,
                        uint64_t done, uint64_t total, struct eval_result *r, struct err *e);

/* True if text may hold what the vocabulary has no token for, so that UNK stands for it. */
bool eval_has_unk(const struct eval *v);

#endif
