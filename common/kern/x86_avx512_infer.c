/* x86_avx512_infer.c - inference with AVX-512 F, BW, DQ, VL. Compiled with these flags; called only
 * where they exist.
 */
#include "kern/infer.h"

#if defined(__x86_64__)
void kern_infer_avx512(struct kern_infer *k)
{
    (void)k;
}
#endif
