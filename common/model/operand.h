/* operand.h - activations (or their gradients) that a product reads.
 *
 * They are computed as floats, a tile of rows at a time; products want operand cells (kern.h), by
 * rows at once, or by columns over all rows later, for a weight gradient. What is not kept, as
 * floats or by columns, is in the worker's scratch while its tile lasts. In f32 the floats are the
 * cells, so what is kept by columns is written where it stays. */
#ifndef OPERAND_H
#define OPERAND_H

#include "base/arena.h"
#include "kern/kern.h"

/* Rows of one task. */
struct span {
    size_t first;
    size_t count;
};

struct operand {
    size_t width;  /* numbers in a row */
    float *floats; /* [rows][width], or NULL: not kept */
    void *columns; /* the form by columns over all rows, or NULL: not kept; f32: = floats */
    size_t slot;   /* which of the worker's scratch floats it uses, if not kept */
};

/* What the workers need while they work on a tile. */
struct operand_scratch {
    float *floats;   /* [n_workers][slots][size] */
    uint32_t *cells; /* [n_workers][size] cells by rows of one operand at a time; NULL in f32 */
    size_t slots;    /* operands whose floats a worker holds at the same time */
    size_t size;     /* numbers of the widest operand's tile */
};

/* rows of `width` numbers. keep_floats: the floats are read again after the task that writes them;
 * keep_columns: a weight gradient is to be computed. */
struct operand_use {
    bool keep_floats;
    bool keep_columns;
    size_t slot;
};
void operand_init(struct operand *o, const struct kern *k, size_t rows, size_t width,
                  struct operand_use use, struct arena *a);

/* Scratch for tiles of tile_rows x widest numbers. */
void operand_scratch_init(struct operand_scratch *s, const struct kern *k, size_t slots,
                          size_t tile_rows, size_t widest, size_t n_workers, struct arena *a);

/* Where a worker writes the floats of rows s. */
float *operand_floats(const struct operand *o, const struct operand_scratch *t, struct span s,
                      size_t worker);

/* Call once they are written: makes the cells of rows s, by columns only where they are kept.
 * Returns those by rows, to be read before the worker's next call. s.first is even. */
const void *operand_pack(const struct operand *o, const struct kern *k,
                         const struct operand_scratch *t, struct span s, size_t worker);

/* The same by columns alone, which are kept. */
void operand_pack_columns(const struct operand *o, const struct kern *k,
                          const struct operand_scratch *t, struct span s, size_t worker);

#endif
