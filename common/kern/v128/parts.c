#include "kern/v128/parts.h"

void kern_v128(struct kern *k, uint32_t features)
{
    if (features & CPU_V128)
        kern_v128_ops(k);
}

void kern_v128_inference(struct kern_exact *k, uint32_t features)
{
    if (!(features & CPU_V128))
        return;
    kern_v128_exact(k);
    kern_v128_int8(k);
}
