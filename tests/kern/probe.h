/* probe.h - how fast one core of this machine reads memory with the loads of a level. (What it can
 * multiply and add, kern->spin shows.) */
#ifndef PROBE_H
#define PROBE_H

#include "base/cpu.h"

/* Reads n floats in order, in the widest loads of the level; n a multiple of 256. Returns the
 * bytes. */
double probe_read(const struct cpu_level *level, const float *x, size_t n);

#endif
