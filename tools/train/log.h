/* log.h - log.jsonl: one JSON object per report, in ascending order of steps.
 *
 * A resumed run may begin before the last line of the run it continues (that one went on after its
 * last checkpoint): lines beyond the checkpoint's step, and a torn last line, are dropped first, so
 * no step stands twice and none is missing.
 *
 * The open file is also what holds the folder: it is locked, and a second run is refused. So one
 * that somebody removes, or its folder, is made again with its lines at the next report; in place
 * of another file it is not, which is an error. */
#ifndef LOG_H
#define LOG_H

#include "base/err.h"
#include "dims/dims.h"
#include "format/ckpt.h"

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
    int n_blocks;
    const char *part_names[CKPT_MAX_PARTS]; /* of data in parts, [n_parts]: val_loss and val_bpc */
    double part_loss[CKPT_MAX_PARTS];
    double part_bpc[CKPT_MAX_PARTS];
    size_t n_parts;
    double block_zero_share[DIMS_MAX_BLOCKS]; /* of each block's, the first n_blocks */
};

struct log {
    int fd;        /* valid while path is set */
    char *path;    /* owned; NULL while nothing is open */
    bool regular;  /* not a pipe or a device */
    uint64_t n;    /* bytes of whole lines in the file */
    char *last;    /* owned copy of the last line; NULL for none */
    char *waiting; /* owned lines that could not be written yet; NULL for none */
};

/* Opens dir/log.jsonl and locks it until log_close, so that two runs never share a folder; a lock
 * held by another is an error. A missing file is made if `create`, else left and no error. Does
 * nothing for a log that is open. Before the first call *l is zeroed. */
MUST_USE int log_open(struct log *l, const char *dir, bool create, struct err *e);

/* Once, before log_write, of a run that begins: what stands in the file, of one that left no
 * checkpoint to go on from, is moved to the first log-N.jsonl that is free. */
MUST_USE int log_begin(struct log *l, struct err *e);

/* The same of a run that goes on: drops what lies beyond the lines up to last_step. Where a line
 * among them is no report, the lines before it are kept, and a copy of all as of log_begin. */
MUST_USE int log_cut(struct log *l, uint64_t last_step, struct err *e);

/* Appends a line; also to stdout with --json. After a failure (a full disk) the line waits, to be
 * written before the next one or by log_sync. */
MUST_USE int log_write(struct log *l, const struct log_report *r, struct err *e);

/* Adds what a validation gave to the last line if it is of r's step and has nothing of it yet: for
 * a validation that a resumed run made up for. */
MUST_USE int log_amend(struct log *l, const struct log_report *r, struct err *e);

/* An error where another process holds the file that stands in place of this run's: the folder was
 * removed, and is now that of another run, whose checkpoints are not to be touched. */
MUST_USE int log_check_ours(const struct log *l, struct err *e);

/* Makes what was written, waiting lines too, survive a power failure. */
MUST_USE int log_sync(struct log *l, struct err *e);
void log_close(struct log *l);

/* The process that holds the folder, as dir/log.jsonl is locked: 0 none, -1 one that cannot be
 * known (of another machine or container). */
MUST_USE int log_holder(const char *dir, int64_t *pid, struct err *e);

#endif
