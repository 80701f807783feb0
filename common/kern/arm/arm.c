#include "kern/arm/arm.h"

void kern_arm(struct kern *k, uint32_t features)
{
    if (features & CPU_ARM_NEON) {
        kern_neon_ops(k);
        kern_neon_exact(&k->exact);
        kern_neon_int8(&k->exact);
    }
    if (features & CPU_ARM_DOTPROD)
        kern_dotprod_int8(&k->exact);
}
