/* keep.h - makes a compiler keep a value in a register. */
#ifndef KERN_KEEP_H
#define KERN_KEEP_H

#if defined(__AVX512F__)
#define KEEP_REGISTER "v"
#elif defined(__x86_64__)
#define KEEP_REGISTER "x"
#elif defined(__aarch64__)
#define KEEP_REGISTER "w"
#else
#define KEEP_REGISTER "m" /* memory: slower, never wrong */
#endif

/* Makes the compiler forget what it knows of a vector, which stays in its register: a load stays
 * one load, and values known to be equal stay apart. */
#define KEEP(v) __asm__("" : "+" KEEP_REGISTER(v))

/* Makes the compiler believe that a vector is used. */
#define KEEP_RESULT(v) __asm__ volatile("" : : KEEP_REGISTER(v))

#endif
