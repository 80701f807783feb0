#include "kern/arm/arm.h"

void kern_arm(struct kern *k, uint32_t features)
{
    if (features & CPU_ARM_NEON)
        kern_neon_ops(k);
}

void kern_arm_inference(struct kern_exact *k, uint32_t features)
{
    if (features & CPU_ARM_NEON) {
        kern_neon_exact(k);
        kern_neon_int8(k);
    }
    if (features & CPU_ARM_DOTPROD)
        kern_dotprod_int8(k);
}
