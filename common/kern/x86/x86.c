#include "kern/x86/x86.h"

void kern_x86(struct kern *k, uint32_t features)
{
    if (features & CPU_X86_AVX2)
        kern_avx2(k);
    if (features & CPU_X86_AVX512)
        kern_avx512(k);
}

void kern_x86_inference(struct kern_exact *k, uint32_t features)
{
    if (features & CPU_X86_AVX2) {
        kern_avx2_exact(k);
        kern_avx2_int8(k);
    }
    if (features & CPU_X86_AVX512)
        kern_avx512_exact(k);
    if (features & CPU_X86_VNNI)
        kern_avx512vnni(k);
}

void kern_x86_bf16(struct kern *k, uint32_t features)
{
    if (features & CPU_X86_BF16)
        kern_avx512bf16(k);
}
