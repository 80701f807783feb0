/* x86_avx2_infer.c - inference with AVX2. Compiled with these flags; called only where they exist.
 */
#include "kern/infer.h"

#if defined(__x86_64__)
void kern_infer_avx2(struct kern_infer *k)
{
    kern_int8_avx2(k);
}
#endif
