#include "train/slices.h"

#include <stdlib.h>

/* Floats up to the next tensor. */
static size_t with_gap(const struct tensor *t)
{
    return ALIGN_UP(t->n, DIMS_ALIGN);
}

static int least_loaded(const size_t *load, int n_ranks)
{
    int least = 0;
    for (int r = 1; r < n_ranks; r++)
        if (load[r] < load[least])
            least = r;
    return least;
}

/* The largest ternary tensor without an owner; n_tensors if there is none. */
static size_t largest_left(const struct slices *s, const struct dims *d)
{
    size_t found = s->n_tensors;
    size_t most = 0;
    struct tensor t;
    for (size_t i = 0; i < s->n_tensors; i++) {
        dims_tensor(d, i, &t);
        if (t.form == TENSOR_TERNARY && s->owner[i] < 0 && t.n > most) {
            most = t.n;
            found = i;
        }
    }
    return found;
}

static void share_matrices(struct slices *s, const struct dims *d, size_t *load)
{
    struct tensor t;
    for (size_t i = 0; i < s->n_tensors; i++)
        s->owner[i] = -1;
    for (size_t i = largest_left(s, d); i < s->n_tensors; i = largest_left(s, d)) {
        dims_tensor(d, i, &t);
        s->owner[i] = least_loaded(load, s->n_ranks);
        load[s->owner[i]] += with_gap(&t);
    }
    for (size_t i = 1; i < s->n_tensors; i++) {
        dims_tensor(d, i, &t);
        if (s->owner[i] < 0) {
            s->owner[i] = i > 1 ? s->owner[i - 1] : 0;
            load[s->owner[i]] += with_gap(&t);
        }
    }
}

/* Fills every rank up to what it would own if all owned the same; the last one takes the rest. */
static void share_table(struct slices *s, const struct dims *d, const size_t *load)
{
    struct tensor t;
    dims_tensor(d, 0, &t);
    size_t all = with_gap(&t);
    size_t even = DIV_UP(dims_n_floats(d), (size_t)s->n_ranks);
    size_t at = 0;
    for (int r = 0; r < s->n_ranks; r++) {
        s->table[r] = at;
        size_t want = load[r] < even ? even - load[r] : 0;
        at = MIN(all, at + (want + SLICES_CUT / 2) / SLICES_CUT * SLICES_CUT);
    }
    s->table[s->n_ranks] = all;
}

/* Appends a slice, or lets the last one grow. */
static void add(struct slices *s, struct slice new)
{
    struct slice *last = s->n > 0 ? &s->slice[s->n - 1] : NULL;
    if (new.n == 0)
        return;
    if (last && last->owner == new.owner && last->group == new.group)
        last->n += new.n;
    else
        s->slice[s->n++] = new;
}

int slices_init(struct slices *s, const struct dims *d, int n_ranks, struct err *e)
{
    size_t size = (size_t)n_ranks;
    struct tensor t;
    *s = (struct slices){.n_ranks = n_ranks, .n_tensors = dims_n_tensors(d)};
    s->slice = calloc(s->n_tensors + size, sizeof *s->slice);
    s->owner = calloc(s->n_tensors, sizeof *s->owner);
    s->table = calloc(size + 1, sizeof *s->table);
    size_t *load = calloc(size, sizeof *load);
    if (!s->slice || !s->owner || !s->table || !load) {
        free(load);
        slices_release(s);
        return err_memory(e, "out of memory");
    }
    share_matrices(s, d, load);
    share_table(s, d, load);
    free(load);
    for (int r = 0; r < n_ranks; r++)
        add(s, (struct slice){s->table[r], s->table[r + 1] - s->table[r], r, d->L});
    for (size_t i = 1; i < s->n_tensors; i++) {
        dims_tensor(d, i, &t);
        int group = t.block < 0 ? d->L : t.block;
        add(s, (struct slice){t.offset, with_gap(&t), s->owner[i], group});
    }
    return 0;
}

void slices_release(struct slices *s)
{
    free(s->slice);
    free(s->owner);
    free(s->table);
    *s = (struct slices){0};
}

size_t slices_floats(const struct slices *s, int rank)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->slice[i].owner == rank ? s->slice[i].n : 0;
    return n;
}

struct slices_part slices_of(const struct slices *s, const struct tensor *t, size_t i, int rank)
{
    if (i > 0)
        return (struct slices_part){0, s->owner[i] == rank ? t->n : 0};
    size_t first = MIN(s->table[rank], t->n);
    return (struct slices_part){first, MIN(s->table[rank + 1], t->n) - first};
}
