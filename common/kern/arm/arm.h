/* arm.h - what the files of this folder add to the tables. Those whose names begin with dotprod are
 * compiled with its flag, and their functions run only where kern_arm finds it. */
#ifndef ARM_H
#define ARM_H

#include "kern/kern.h"

void kern_neon_ops(struct kern *k);
void kern_neon_exact(struct kern_exact *k);
void kern_neon_int8(struct kern_exact *k);
void kern_dotprod_int8(struct kern_exact *k);

#endif
