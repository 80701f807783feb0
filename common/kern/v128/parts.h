/* parts.h - what the files of this folder add to the tables: vectors of 128 bits for every
 * machine. */
#ifndef V128_PARTS_H
#define V128_PARTS_H

#include "kern/kern.h"

void kern_v128_ops(struct kern *k);
void kern_v128_exact(struct kern_exact *k);
void kern_v128_int8(struct kern_exact *k);

#endif
