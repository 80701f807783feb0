#include "kern/x86/x86.h"

void kern_x86(struct kern *k, uint32_t features)
{
    if (features & CPU_X86_AVX2) {
        kern_avx2(k);
        kern_avx2_exact(&k->exact);
        kern_avx2_int8(&k->exact);
    }
    if (features & CPU_X86_AVX512) {
        kern_avx512(k);
        kern_avx512_exact(&k->exact);
    }
    if (features & CPU_X86_VNNI)
        kern_avx512vnni(&k->exact);
}

void kern_x86_bf16(struct kern *k, uint32_t features)
{
    if (features & CPU_X86_BF16)
        kern_avx512bf16(k);
}
