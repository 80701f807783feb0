/* x86.h - what the files of this folder add to the tables. Each is compiled with the flags of its
 * instruction set, and its functions run only where kern_x86 finds that. */
#ifndef X86_H
#define X86_H

#include "kern/kern.h"

void kern_avx2(struct kern *k);
void kern_avx2_exact(struct kern_exact *k);
void kern_avx2_int8(struct kern_exact *k);
void kern_avx512(struct kern *k);
void kern_avx512_exact(struct kern_exact *k);
void kern_avx512vnni(struct kern_exact *k);
void kern_avx512bf16(struct kern *k);

#endif
