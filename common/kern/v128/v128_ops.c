/* v128_ops.c - the operations of training on four floats at a time. */
#include "kern/v128/parts.h"

#define CELL_NUMBERS 1
#if defined(__x86_64__) /* 12 sums, 4 vectors of B: 16 registers, of which some are read twice */
#define TILE_ROWS 3
#define TILE_VECS 4
#else /* 16 sums, 2 vectors of B, 1 broadcast, 1 product: 20 of what are 32 registers elsewhere */
#define TILE_ROWS 8
#define TILE_VECS 2
#endif

#include "kern/v128/v128.h"

/* c_ functions: a cell is a float. */
typedef vec cells;

static inline cells c_load(const uint32_t *p)
{
    return *(const vec_at *)p;
}
static inline cells c_broadcast(const uint32_t *p)
{
    return (vec)u_set(*p);
}
static inline vec c_fma(cells a, cells b, vec sum)
{
    return sum + a * b;
}

static void op_pack(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                    void *out)
{
    kern_pack_floats(w, n_out, n_in, first, count, (size_t)TILE_VECS * WIDTH, out);
}

#include "kern/vector_ops.h"

void kern_v128_ops(struct kern *k)
{
    ops_install(k);
}
