/* log.h - log.jsonl: one JSON object per report, in ascending order of steps.
 *
 * A resumed run may begin before the last line of the run it continues (that one went on after its
 * last checkpoint): lines beyond the checkpoint's step, and a torn last line, are dropped first, so
 * no step stands twice and none is missing. */
#ifndef LOG_H
#define LOG_H

#include <stdio.h>

#include "base/err.h"

struct log_report {
    uint64_t step;
    uint64_t tokens; /* training tokens seen */
    uint64_t epoch;
    double loss;      /* mean nats a token since the last report */
    double lr;        /* of the last step */
    double grad_norm; /* of the last step, before clipping */
    double tok_s; /* training tokens a second since the last report, validation and saving aside */
    double progress;   /* of the schedule */
    double elapsed;    /* seconds over all resumes */
    double val_loss;   /* nats a token; NaN: not validated at this step */
    double val_bpc;    /* val_loss * tokens / (ln 2 * characters) of the validation shard */
    double zero_share; /* of the ternary weights; NaN: not counted at this step */
};

struct log {
    FILE *file;
    char *path; /* owned */
};

/* Opens dir/log.jsonl for appending, lines beyond last_step dropped. The file is locked until
 * log_close, so that two runs never share a folder; a lock held by another is an error. */
MUST_USE int log_open(struct log *l, const char *dir, uint64_t last_step, struct err *e);

/* Appends a line and flushes it; also to stdout with --json. */
MUST_USE int log_write(struct log *l, const struct log_report *r, struct err *e);

/* Makes what was written last through a power failure. */
MUST_USE int log_sync(struct log *l, struct err *e);
void log_close(struct log *l);

#endif
