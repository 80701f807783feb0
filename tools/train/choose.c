#include "train/choose.h"

#include <stdio.h>

#include "os/machine.h"
#include "train/optim.h"

enum { LARGE_CPUS = 8, LARGE_ACCUM = 2 };
static const uint64_t LARGE_MEMORY = (uint64_t)32 * 1000 * 1000 * 1000;
static const double SMALL_LR = 4e-3;
static const double LARGE_LR = 3e-3;
static const double MIN_LR = 1e-5;

bool choose_machine_is_large(void)
{
    return machine_processors() >= LARGE_CPUS && machine_memory() >= LARGE_MEMORY;
}

int choose_dims(struct dims *d, const struct options *o, const struct dims *base, struct err *e)
{
    *d = *base;
    if (o->small)
        dims_small(d, base->V);
    if (o->large)
        dims_large(d, base->V);
    d->D = o->given.dim ? (int)o->dim : d->D;
    d->L = o->given.blocks ? (int)o->blocks : d->L;
    d->H = o->given.hidden ? (int)o->hidden : d->H;
    d->K = o->given.kernel ? (int)o->kernel : d->K;
    d->T = o->given.seq_len ? (int)o->seq_len : d->T;
    if (o->dilation && dims_parse_dilation(d, o->dilation, e))
        return -1;
    return dims_check(d, e);
}

struct ckpt_settings choose_settings(const struct options *o, bool large)
{
    struct ckpt_settings s = {
        .seed = (uint64_t)o->seed,
        .batch = (uint64_t)o->batch,
        .accum = large ? LARGE_ACCUM : 1,
        .accum_sum = "tree",
        .lr = large ? LARGE_LR : SMALL_LR,
        .min_lr = MIN_LR,
    };
    if (o->given.accum)
        s.accum = (uint64_t)o->accum;
    if (o->given.lr)
        s.lr = o->lr;
    snprintf(s.optimiser, sizeof s.optimiser, "%s", optim_kinds[0]->name);
    return s;
}
