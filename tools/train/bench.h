/* bench.h - train --bench: how fast steps are, and how far from the processor's peak. */
#ifndef BENCH_H
#define BENCH_H

#include "train/trainer.h"

/* Runs steps and probes in turn for some seconds and prints the figures (medians) to stdout, as a
 * table or with --json as one object: tok_s, step_ms, gflops (nominal: 6 per weight that a token
 * meets, gates and norms not counted), gflops_executed (what the products really do), peak_gflops
 * (kern.h spin on all threads at once), share_of_peak (nominal), rss_mb, and the phases. */
MUST_USE int bench_run(struct trainer *t, struct err *e);

/* For --plan-threads, on a pool of os/plan.h: runs steps on one thread and prints what they would
 * take on more, phase by phase (cli_plan). */
MUST_USE int bench_plan(struct trainer *t, struct err *e);

#endif
