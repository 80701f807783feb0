/* vector.h - what a vector type brings, for the files that are written once for all of them
 * (vector_*.h).
 *
 * Not a header in the usual sense: the header of a type (x86/v256.h) defines `vec`, WIDTH floats,
 * and `vmask`, then includes this list, then defines the functions; a compiler warns of one that is
 * missing. Arrays of vec are kept, and WIDTH divides KERN_LANES: so a type has a size that is known
 * when it is compiled. Vectors without one (RISC-V's V, ARM's SVE) need files of their own. */
#include <stddef.h>
#include <stdint.h>

static inline vec v_load(const float *p); /* aligned to float only, like all pointers here */
static inline void v_store(float *p, vec v);
static inline vec v_set(float x); /* in all lanes */

/* The first n lanes, 0 <= n <= WIDTH. The others are loaded as 0; their memory is neither read nor
 * written. */
static inline vmask v_mask(size_t n);
static inline vec v_load_mask(const float *p, vmask m);
static inline void v_store_mask(float *p, vec v, vmask m);

/* WIDTH finite numbers of half precision, or signed bytes. Exact. */
static inline vec v_load_f16(const uint16_t *p);
static inline vec v_load_q8(const int8_t *p);

/* As IEEE 754 has them. */
static inline vec v_add(vec a, vec b);
static inline vec v_sub(vec a, vec b);
static inline vec v_mul(vec a, vec b);
static inline vec v_div(vec a, vec b);

/* For the bounded class only. */
static inline vec v_fma(vec a, vec b, vec c); /* a * b + c, rounded once or twice */
static inline vec v_reciprocal(vec a);        /* 1 / a for 1 <= a, to 2 units in the last place */
static inline vec v_sqrt(vec a);

/* The second operand where one is NaN. */
static inline vec v_min(vec a, vec b); /* a < b ? a : b */
static inline vec v_max(vec a, vec b); /* a > b ? a : b */

/* To a whole number, half to even, for |a| < 2^22; beyond that, to any number. NaN stays NaN. */
static inline vec v_round(vec a);
static inline vec v_scale(vec p, vec n); /* p * 2^n, n whole and -126 <= n <= 128; else anything */

static inline vec v_select_less(vec a, vec b, vec yes, vec no); /* a < b ? yes : no */
static inline uint32_t v_bits_at_least(vec a, vec b); /* bit i: a >= b in lane i; no NaN is */

static inline float v_sum(vec v);    /* folded in halves: lane i + lane i + WIDTH/2, and so on */
static inline float v_max_of(vec v); /* without NaN */
