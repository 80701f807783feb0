/* bench.h - how fast each operation is at the model's shapes, beside what the machine can do. */
#ifndef BENCH_H
#define BENCH_H

#include "kern/kern.h"

/* Times the operations of every level up to `last`; `op` NULL for all, else that one. An
 * operation that a level does not replace is timed once. Prints a line each (JSON if asked for):
 * the speed, its share of the limit, the limit. Bytes are those read and those written, so what is
 * computed in place can exceed a limit that only reads. */
MUST_USE int bench_run(const struct cpu_level *last, const char *op, struct err *e);

#endif
