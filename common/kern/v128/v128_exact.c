/* v128_exact.c - inference with float activations on four floats at a time. Ternary weights stay
 * plain C's: without an instruction that looks up, its table of signed sums is the fastest. */
#include "kern/v128/parts.h"

#include "kern/v128/v128.h"

#define HEAD_VECS 8
#define HEAD_TILE_VECS 2 /* 8 sums, 4 activations, a weight and a product: 14 of 16 registers */
#define HEAD_TILE_ROWS 4
#define HEAD_WIDE_Q8

#include "kern/vector_attend.h"
#include "kern/vector_exact.h"
#include "kern/vector_logits.h"

void kern_v128_exact(struct kern_exact *k)
{
    exact_install(k);
    k->attend = exact_attend;
    logits_install(k);
}
