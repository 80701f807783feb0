/* machine.h - processors and memory of this machine, as far as this process may use them. */
#ifndef MACHINE_H
#define MACHINE_H

#include "base/base.h"

/* Processors this process may use: affinity mask and cgroup CPU quota (v1 and v2), at least 1. */
int machine_processors(void);

/* Bytes of memory this process may use: physical memory and cgroup limits (v1 and v2). */
uint64_t machine_memory(void);

/* Bytes of second-level cache that a processor has, 0 where that is not told. */
size_t machine_cache(void);

#endif
