#include "model/operand.h"

void operand_init(struct operand *o, const struct kern *k, size_t rows, size_t width,
                  struct operand_use use, struct arena *a)
{
    bool same = k->unit == 1; /* f32: floats, cells by rows and by columns are one thing */
    *o = (struct operand){.width = width, .slot = use.slot};
    if (same || use.keep_floats)
        o->floats = arena_alloc(a, rows * width, sizeof(float));
    if (same)
        o->columns = o->floats;
    else if (use.keep_columns)
        o->columns = arena_alloc(a, DIV_UP(rows, k->unit) * width, sizeof(uint32_t));
}

void operand_scratch_init(struct operand_scratch *s, const struct kern *k, size_t tile_rows,
                          size_t widest, size_t n_workers, struct arena *a)
{
    *s = (struct operand_scratch){.size = ALIGN_UP(tile_rows * widest, 16)};
    if (k->unit == 1)
        return;
    s->floats = arena_alloc(a, n_workers * OPERAND_SLOTS * s->size, sizeof(float));
    s->cells = arena_alloc(a, n_workers * s->size, sizeof(uint32_t));
}

float *operand_floats(const struct operand *o, const struct operand_scratch *t, struct span s,
                      size_t worker)
{
    return o->floats ? o->floats + s.first * o->width
                     : t->floats + (worker * OPERAND_SLOTS + o->slot) * t->size;
}

struct operand_forms operand_forms(const struct operand *o, const struct kern *k,
                                   const struct operand_scratch *t, struct span s, size_t worker)
{
    float *x = operand_floats(o, t, s, worker);
    if (k->unit == 1)
        return (struct operand_forms){x, x};
    uint32_t *columns = o->columns;
    return (struct operand_forms){t->cells + worker * t->size,
                                  columns ? columns + s.first / k->unit * o->width : NULL};
}

const void *operand_pack(const struct operand *o, const struct kern *k,
                         const struct operand_scratch *t, struct span s, size_t worker)
{
    struct operand_forms f = operand_forms(o, k, t, s, worker);
    if (k->unit > 1)
        k->operand(operand_floats(o, t, s, worker), s.count, o->width, f.rows, f.columns);
    return f.rows;
}
