#include "kern/wasm/wasm.h"

void kern_wasm_inference(struct kern_exact *k, uint32_t features)
{
    if (!(features & CPU_V128))
        return;
    kern_wasm_planes(k);
    kern_wasm_int8(k);
}
