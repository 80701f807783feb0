/* x86_int8.h - weights of int8 products rearranged for vectors of LANES 32-bit lanes; included by
 * the files of the instruction sets, which define LANES before.
 *
 * A panel is 4 LANES rows, which lie beside each other; row r of it is lane r % LANES of its
 * quarter r / LANES. Columns come in steps of four, which share a lane: one 32-bit word of q,
 * broadcast, meets the same four columns of every row. So no sum runs across lanes.
 *
 * - ternary: a step is one vector, byte c of a lane holds the codes of column c for the lane's four
 * rows, quarter i in bits 2i and 2i + 1;
 * - head: a step is four vectors, one a quarter, of signed bytes xor `flip`.
 *
 * Columns are padded to whole groups of steps, where q is zero; rows to whole panels. */
#ifndef X86_INT8_H
#define X86_INT8_H

#include <string.h>

#include "kern/infer.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    QUARTERS = 4,
    PANEL = QUARTERS * LANES,
    STEP = 4,       /* columns of a step */
    GROUP_COLS = 16 /* columns are padded to a multiple of this, at most KERN_INT8_ALIGN */
};

INLINE size_t n_steps(size_t cols)
{
    return ALIGN_UP(cols, (size_t)GROUP_COLS) / STEP;
}

static size_t op_tern_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)PANEL) * n_steps(cols) * LANES * STEP;
}

static size_t op_head_bytes(size_t rows, size_t cols)
{
    return DIV_UP(rows, (size_t)PANEL) * n_steps(cols) * PANEL * STEP;
}

/* The four codes of a byte, each in a byte of its own. */
INLINE uint32_t spread(uint32_t codes)
{
    return (codes & 0x03) | (codes & 0x0c) << 6 | (codes & 0x30) << 12 | (codes & 0xc0) << 18;
}

static void op_tern_pack(const uint8_t *codes, size_t rows, size_t cols, void *packed)
{
    size_t row_bytes = DIV_UP(cols, (size_t)STEP);
    uint32_t *out = packed;
    memset(packed, 0, op_tern_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += PANEL, out += n_steps(cols) * LANES)
        for (size_t r = r0; r < MIN(rows, r0 + PANEL); r++) {
            uint32_t *lane = out + (r - r0) % LANES;
            size_t shift = 2 * ((r - r0) / LANES);
            for (size_t s = 0; s < row_bytes; s++)
                lane[s * LANES] |= spread(codes[r * row_bytes + s]) << shift;
        }
}

INLINE void pack_head(const int8_t *w, size_t rows, size_t cols, uint32_t flip, void *packed)
{
    uint32_t *out = packed;
    memset(packed, 0, op_head_bytes(rows, cols));
    for (size_t r0 = 0; r0 < rows; r0 += PANEL, out += n_steps(cols) * PANEL)
        for (size_t r = r0; r < MIN(rows, r0 + PANEL); r++)
            for (size_t c = 0; c < cols; c += STEP) {
                uint32_t word = 0;
                if (c + STEP <= cols)
                    memcpy(&word, w + r * cols + c, STEP);
                else
                    memcpy(&word, w + r * cols + c, cols - c);
                out[c / STEP * PANEL + r - r0] = word ^ flip;
            }
}

INLINE int32_t word_of(const int8_t *q)
{
    int32_t word;
    memcpy(&word, q, sizeof word);
    return word;
}

/* How many of the m rows of q that are left go through together: groups as even as can be. */
INLINE size_t rows_together(size_t m, size_t most)
{
    return DIV_UP(m, DIV_UP(m, most));
}

#endif
