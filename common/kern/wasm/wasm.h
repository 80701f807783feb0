/* wasm.h - what the files of this folder add to the tables where WebAssembly has vectors of 128
 * bits (SIMD128), beside v128: what the compilers' vector extensions cannot say. */
#ifndef WASM_H
#define WASM_H

#include "kern/kern.h"

void kern_wasm_planes(struct kern_exact *k);
void kern_wasm_int8(struct kern_exact *k);

#endif
