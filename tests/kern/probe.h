/* probe.h - what one core of this machine can do with the instructions of a level: multiplications
 * and additions in registers, and reading memory. */
#ifndef PROBE_H
#define PROBE_H

#include "base/cpu.h"

/* A loop of n independent multiply-adds in registers, enough of them to hide their latency. Returns
 * the floating-point operations done (two a multiply-add and lane); level C multiplies and adds
 * apart, as plain C does. */
double probe_multiply_add(enum cpu_level level, size_t n);

/* Reads n floats in order, in the widest loads of the level; n a multiple of 256. Returns the
 * bytes. */
double probe_read(enum cpu_level level, const float *x, size_t n);

#endif
