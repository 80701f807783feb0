#include "train/exchange.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_power_of_two(uint64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

int exchange_check(int n_ranks, uint64_t n, struct err *e)
{
    uint64_t size = (uint64_t)n_ranks;
    if (n_ranks > EXCHANGE_MAX_RANKS)
        return err_usage(e, "too many ranks (found %d, at most %d)", n_ranks, EXCHANGE_MAX_RANKS);
    char fewer[64] = "";
    if (n_ranks == 1 || (n % size == 0 && is_power_of_two(n / size)))
        return 0;
    for (uint64_t r = MIN(size, n); r > 1 && !fewer[0]; r--)
        if (n % r == 0 && is_power_of_two(n / r))
            snprintf(fewer, sizeof fewer, ", or start %llu ranks", (unsigned long long)r);
    return err_usage(e,
                     "%d ranks cannot share the %llu batches of a step (--accum): each is to have "
                     "the same power of two of them; give --accum %d, %d or %d%s",
                     n_ranks, (unsigned long long)n, n_ranks, 2 * n_ranks, 4 * n_ranks, fewer);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The slice that float number `at` lies in. */
static const struct slice *slice_at(const struct slices *s, size_t at)
{
    const struct slice *i = s->slice;
    while (at >= i->first + i->n)
        i++;
    return i;
}

/* The parts of one piece of the norm: the owner of most of it gets them. */
static void share_piece(struct exchange *x, size_t piece, size_t first, size_t end)
{
    size_t most = 0;
    int owner = 0;
    for (size_t at = first; at < end;) {
        const struct slice *s = slice_at(&x->slices, at);
        size_t n = MIN(end, s->first + s->n) - at;
        if (n > most) {
            most = n;
            owner = s->owner;
        }
        at += n;
    }
    x->counts[piece] = owner == x->ranks->rank;
    for (size_t at = first; at < end;) {
        const struct slice *s = slice_at(&x->slices, at);
        size_t n = MIN(end, s->first + s->n) - at;
        if (s->owner != owner)
            x->halo[x->n_halos++] = (struct exchange_halo){at, n, s->owner, owner};
        at += n;
    }
}

static void share_norm(struct exchange *x, size_t n)
{
    for (size_t piece = 0; piece < OPTIM_PIECES(n); piece++)
        share_piece(x, piece, piece * OPTIM_PIECE, MIN(n, (piece + 1) * OPTIM_PIECE));
}

int exchange_open(struct exchange *x, struct ranks *r, const struct dims *d, struct err *e)
{
    size_t size = (size_t)r->size;
    *x = (struct exchange){.ranks = r, .dims = *d};
    if (slices_init(&x->slices, d, r->size, e))
        return -1;
    x->own = slices_floats(&x->slices, r->rank);
    /* of a step: to and from every other rank; of a gathering: every array of every tensor */
    size_t step = x->slices.n * (size + 1);
    size_t gathering = (x->slices.n_tensors + size) * (1 + OPTIM_MAX_ARRAYS);
    return ranks_reserve(r, MAX(step, gathering) + 2 * size, e);
}

void exchange_release(struct exchange *x)
{
    slices_release(&x->slices);
}

void exchange_init(struct exchange *x, const struct kern *k, struct arena *a)
{
    size_t n = dims_n_floats(&x->dims);
    size_t size = (size_t)x->ranks->size;
    x->kern = k;
    x->received = arena_alloc(a, (size - 1) * x->own, sizeof(float));
    x->weights = arena_alloc(a, n, sizeof(float));
    x->at = arena_alloc(a, size + 1, sizeof *x->at);
    x->packed_at = arena_alloc(a, x->slices.n_tensors, sizeof *x->packed_at);
    x->packed = arena_alloc(a, exchange_lay_out(x), 1);
    /* every end of a slice adds one at most */
    x->halo = arena_alloc(a, x->slices.n, sizeof *x->halo);
    x->counts = arena_alloc(a, OPTIM_PIECES(n), sizeof *x->counts);
    x->told = arena_alloc(a, OPTIM_PIECES(n) + size, sizeof *x->told);
    if (x->halo)
        share_norm(x, n);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* What rank `from` has of my slices. */
static float *received_from(const struct exchange *x, int from)
{
    return x->received + (size_t)(from - (from > x->ranks->rank)) * x->own;
}

int exchange_begin(struct exchange *x, struct err *e)
{
    size_t at = 0;
    for (size_t i = 0; i < x->slices.n; i++) {
        const struct slice *s = &x->slices.slice[i];
        if (s->owner != x->ranks->rank)
            continue;
        for (int from = 0; from < x->ranks->size; from++)
            if (from != s->owner &&
                ranks_receive(x->ranks, from, (int)i, received_from(x, from) + at,
                              s->n * sizeof(float), e))
                return -1;
        at += s->n;
    }
    return 0;
}

int exchange_send(struct exchange *x, const float *gradient, int group, struct err *e)
{
    for (size_t i = 0; i < x->slices.n; i++) {
        const struct slice *s = &x->slices.slice[i];
        if (s->group == group && s->owner != x->ranks->rank &&
            ranks_send(x->ranks, s->owner, (int)i, gradient + s->first, s->n * sizeof(float), e))
            return -1;
    }
    return 0;
}

struct sum_job {
    const struct exchange *x;
    float *gradient;
};

/* The tree over the ranks (sums.h): the sum that includes this rank's own stays in place. */
static void sum_slice(const struct exchange *x, float *own, size_t at, size_t n)
{
    float *part[EXCHANGE_MAX_RANKS];
    int size = x->ranks->size;
    for (int r = 0; r < size; r++)
        part[r] = r == x->ranks->rank ? own : received_from(x, r) + at;
    for (int step = 1; step < size; step *= 2)
        for (int r = 0; r + step < size; r += 2 * step) {
            /* x + y is y + x to the bit, so the sum may be kept at either's place */
            float *to = part[r + step] == own ? own : part[r];
            x->kern->add(to == own && part[r] != own ? part[r] : part[r + step], n, to);
            part[r] = to;
        }
}

static void sum_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct sum_job *j = context;
    const struct exchange *x = j->x;
    size_t first = task * SLICES_CUT;
    size_t end = MIN(x->own, first + SLICES_CUT);
    size_t at = 0;
    for (size_t i = 0; i < x->slices.n && at < end; i++) {
        const struct slice *s = &x->slices.slice[i];
        if (s->owner != x->ranks->rank)
            continue;
        size_t from = MAX(first, at);
        size_t to = MIN(end, at + s->n);
        if (from < to)
            sum_slice(x, j->gradient + s->first + (from - at), from, to - from);
        at += s->n;
    }
}

/* Where one owner adds up the squares of a piece that many own. */
static int send_halos(struct exchange *x, float *gradient, struct err *e)
{
    for (size_t i = 0; i < x->n_halos; i++) {
        const struct exchange_halo *h = &x->halo[i];
        float *at = gradient + h->first;
        if (h->from == x->ranks->rank &&
            ranks_send(x->ranks, h->to, (int)i, at, h->n * sizeof *at, e))
            return -1;
        if (h->to == x->ranks->rank &&
            ranks_receive(x->ranks, h->from, (int)i, at, h->n * sizeof *at, e))
            return -1;
    }
    return ranks_wait(x->ranks, e);
}

int exchange_sum(struct exchange *x, struct optim *o, struct pool *p, float *gradient, double *loss,
                 double *norm, struct err *e)
{
    struct sum_job j = {x, gradient};
    size_t size = (size_t)x->ranks->size;
    size_t n_pieces = OPTIM_PIECES(o->n);
    double *losses = x->told + n_pieces;
    if (ranks_wait(x->ranks, e))
        return -1;
    pool_run(p, sum_task, &j, DIV_UP(x->own, (size_t)SLICES_CUT));
    if (send_halos(x, gradient, e))
        return -1;
    optim_squares(o, p, gradient, x->counts, x->told);
    memset(losses, 0, size * sizeof *losses);
    losses[x->ranks->rank] = *loss;
    if (ranks_sum(x->ranks, x->told, n_pieces + size, e))
        return -1;
    for (size_t step = 1; step < size; step *= 2)
        for (size_t r = 0; r + step < size; r += 2 * step)
            losses[r] += losses[r + step];
    *loss = losses[0];
    *norm = optim_norm_of(o, x->told);
    return 0;
}
