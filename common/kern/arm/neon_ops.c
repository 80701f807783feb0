/* neon_ops.c - the operations of training with NEON, which every 64-bit ARM processor has. */
#include "kern/arm/arm.h"

#define CELL_NUMBERS 1
#define TILE_ROWS 6 /* 24 sums, 4 vectors of B, 1 broadcast: 29 of 32 registers */
#define TILE_VECS 4

#include "kern/arm/neon.h"

/* c_ functions: a cell is a float. */
typedef float32x4_t cells;

static inline cells c_load(const uint32_t *p)
{
    return vld1q_f32((const float *)p);
}
static inline cells c_broadcast(const uint32_t *p)
{
    return vreinterpretq_f32_u32(vld1q_dup_u32(p));
}
static inline vec c_fma(cells a, cells b, vec sum)
{
    return vfmaq_f32(sum, a, b);
}

static void op_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                    void *out)
{
    kern_pack_floats(w, n_out, n_in, first, count, (size_t)TILE_VECS * WIDTH, out);
}

#include "kern/vector_ops.h"

void kern_neon_ops(struct kern *k)
{
    ops_install(k);
}
