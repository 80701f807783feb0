#include "model/operand.h"

void operand_init(struct operand *o, const struct kern *k, size_t rows, size_t width,
                  struct operand_use use, struct arena *a)
{
    bool same = k->unit == 1; /* f32: floats, cells by rows and by columns are one thing */
    *o = (struct operand){.width = width, .slot = use.slot};
    if (use.keep_floats || (same && use.keep_columns))
        o->floats = arena_alloc(a, rows * width, sizeof(float));
    if (use.keep_columns)
        o->columns = same ? (void *)o->floats
                          : arena_alloc(a, DIV_UP(rows, k->unit) * width, sizeof(uint32_t));
}

void operand_scratch_init(struct operand_scratch *s, const struct kern *k, size_t slots,
                          size_t tile_rows, size_t widest, size_t n_workers, struct arena *a)
{
    *s = (struct operand_scratch){.slots = slots, .size = ALIGN_UP(tile_rows * widest, 16)};
    s->floats = arena_alloc(a, n_workers * slots * s->size, sizeof(float));
    if (k->unit > 1)
        s->cells = arena_alloc(a, n_workers * s->size, sizeof(uint32_t));
}

float *operand_floats(const struct operand *o, const struct operand_scratch *t, struct span s,
                      size_t worker)
{
    return o->floats ? o->floats + s.first * o->width
                     : t->floats + (worker * t->slots + o->slot) * t->size;
}

/* Makes the cells by rows, unless that is NULL, and by columns where they are kept. */
static void pack(const struct operand *o, const struct kern *k, const float *x, struct span s,
                 uint32_t *rows)
{
    uint32_t *columns = o->columns;
    k->operand(x, s.count, o->width, rows, columns ? columns + s.first / k->unit * o->width : NULL);
}

const void *operand_pack(const struct operand *o, const struct kern *k,
                         const struct operand_scratch *t, struct span s, size_t worker)
{
    const float *x = operand_floats(o, t, s, worker);
    uint32_t *rows = t->cells + worker * t->size;
    if (k->unit == 1)
        return x;
    pack(o, k, x, s, rows);
    return rows;
}

void operand_pack_columns(const struct operand *o, const struct kern *k,
                          const struct operand_scratch *t, struct span s, size_t worker)
{
    if (k->unit > 1)
        pack(o, k, operand_floats(o, t, s, worker), s, NULL);
}
