#include "train/exchange.h"

#include <math.h>
#include <string.h>

#include "model/tern.h"

/* ---- weights as training uses them ----------------------------------------------------------- */

/* A ternary tensor travels as its scale and two bits a weight, everything else as floats. */
static size_t packed_bytes(const struct tensor *t)
{
    if (t->form == TENSOR_TERNARY)
        return sizeof(float) + ALIGN_UP(DIV_UP(t->n, 4), sizeof(float));
    return t->n * sizeof(float);
}

size_t exchange_lay_out(struct exchange *x)
{
    struct tensor t;
    size_t at = 0;
    for (int r = 0; r < x->ranks->size; r++) {
        if (x->at)
            x->at[r] = at;
        dims_tensor(&x->dims, 0, &t);
        at += slices_of(&x->slices, &t, 0, r).n * sizeof(float);
        for (size_t i = 1; i < x->slices.n_tensors; i++) {
            dims_tensor(&x->dims, i, &t);
            if (x->slices.owner[i] != r)
                continue;
            if (x->packed_at)
                x->packed_at[i] = at;
            at += packed_bytes(&t);
        }
    }
    if (x->at)
        x->at[x->ranks->size] = at;
    return at;
}

/* -0 has a code of its own: quantised weights keep their sign, and products theirs. */
enum { MINUS, ZERO, PLUS, MINUS_ZERO };

static void pack_codes(const float *w, size_t n, uint8_t *codes)
{
    for (size_t i = 0; i < n; i += 4) {
        unsigned byte = 0;
        for (size_t j = i; j < MIN(n, i + 4); j++) {
            unsigned code = w[j] > 0 ? PLUS : w[j] < 0 ? MINUS : signbit(w[j]) ? MINUS_ZERO : ZERO;
            byte |= code << 2 * (j - i);
        }
        codes[i / 4] = (uint8_t)byte;
    }
}

static void unpack_codes(const uint8_t *codes, size_t n, float alpha, float *w)
{
    const float of[] = {[MINUS] = -alpha, [ZERO] = 0.0f, [PLUS] = alpha, [MINUS_ZERO] = -0.0f};
    for (size_t i = 0; i < n; i++)
        w[i] = of[codes[i / 4] >> 2 * (i % 4) & 3];
}

struct weights_job {
    struct exchange *x;
    const float *params;
};

static void pack_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct weights_job *j = context;
    const struct exchange *x = j->x;
    struct tensor t;
    dims_tensor(&x->dims, task, &t);
    const float *w = j->params + t.offset;
    float *used = x->weights + t.offset;
    struct slices_part own = slices_of(&x->slices, &t, task, x->ranks->rank);
    uint8_t *packed = x->packed + (task ? x->packed_at[task] : x->at[x->ranks->rank]);
    if (own.n == 0)
        return;
    if (t.form == TENSOR_TERNARY) {
        float alpha = tern_alpha(x->kern, w, t.n);
        tern_quantise(x->kern, w, t.n, alpha, used);
        memcpy(packed, &alpha, sizeof alpha);
        pack_codes(used, t.n, packed + sizeof alpha);
        return;
    }
    memcpy(used + own.first, w + own.first, own.n * sizeof *w);
    memcpy(packed, w + own.first, own.n * sizeof *w);
}

static void unpack_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct weights_job *j = context;
    const struct exchange *x = j->x;
    struct tensor t;
    dims_tensor(&x->dims, task, &t);
    float *used = x->weights + t.offset;
    for (int r = 0; r < x->ranks->size && task == 0; r++) {
        struct slices_part part = slices_of(&x->slices, &t, 0, r);
        if (r != x->ranks->rank)
            memcpy(used + part.first, x->packed + x->at[r], part.n * sizeof *used);
    }
    if (task == 0 || x->slices.owner[task] == x->ranks->rank)
        return;
    const uint8_t *packed = x->packed + x->packed_at[task];
    if (t.form == TENSOR_TERNARY) {
        float alpha;
        memcpy(&alpha, packed, sizeof alpha);
        unpack_codes(packed + sizeof alpha, t.n, alpha, used);
    } else {
        memcpy(used, packed, t.n * sizeof *used);
    }
}

int exchange_weights(struct exchange *x, struct pool *p, const float *params, struct err *e)
{
    struct weights_job j = {x, params};
    int me = x->ranks->rank;
    for (int r = 0; r < x->ranks->size; r++)
        if (r != me &&
            ranks_receive(x->ranks, r, 0, x->packed + x->at[r], x->at[r + 1] - x->at[r], e))
            return -1;
    pool_run(p, pack_task, &j, x->slices.n_tensors);
    for (int r = 0; r < x->ranks->size; r++)
        if (r != me &&
            ranks_send(x->ranks, r, 0, x->packed + x->at[me], x->at[me + 1] - x->at[me], e))
            return -1;
    if (ranks_wait(x->ranks, e))
        return -1;
    pool_run(p, unpack_task, &j, x->slices.n_tensors);
    return 0;
}

/* ---- master weights and the optimiser's arrays ----------------------------------------------- */

/* Numbers of messages; a rank sends one array of a tensor after the other, in the same order as
 * rank 0 asks for them. */
enum { MASTERS = 1 };

/* A part of a tensor, `owner`'s, to rank 0 or from it. */
static int move(struct exchange *x, int owner, float *data, size_t n, bool gather, struct err *e)
{
    int me = x->ranks->rank;
    size_t bytes = n * sizeof *data;
    if (n == 0 || owner == 0 || (me != 0 && me != owner))
        return 0;
    int other = me == 0 ? owner : 0;
    if ((me == 0) == gather)
        return ranks_receive(x->ranks, other, MASTERS, data, bytes, e);
    return ranks_send(x->ranks, other, MASTERS, data, bytes, e);
}

static int move_all(struct exchange *x, struct optim *o, float *params, bool gather, struct err *e)
{
    for (size_t i = 0; i < o->n_tensors; i++)
        for (int r = 0; r < x->ranks->size; r++) {
            const struct optim_tensor *t = &o->tensors[i];
            struct slices_part part = slices_of(&x->slices, &t->tensor, i, r);
            if (move(x, r, params + t->tensor.offset + part.first, part.n, gather, e))
                return -1;
            for (size_t s = 0; s < OPTIM_MAX_ARRAYS && t->rule->arrays[s]; s++)
                if (move(x, r, t->state[s] + part.first, part.n, gather, e))
                    return -1;
        }
    return ranks_wait(x->ranks, e);
}

int exchange_gather(struct exchange *x, struct optim *o, float *params, struct err *e)
{
    return move_all(x, o, params, true, e);
}

int exchange_scatter(struct exchange *x, struct optim *o, float *params, struct err *e)
{
    return move_all(x, o, params, false, e);
}
