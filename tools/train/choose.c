#include "train/choose.h"

#include <math.h>

#include "os/machine.h"
#include "train/optim.h"

enum { LARGE_CPUS = 8 };
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

struct ckpt_state choose_state(const struct options *o, bool large)
{
    struct optim_options q = optim_defaults();
    return (struct ckpt_state){
        .best_loss = INFINITY,
        .seed = (uint64_t)o->seed,
        .batch = (uint64_t)o->batch,
        .accum = o->given.accum ? (uint64_t)o->accum
                 : large        ? 2
                                : 1,
        .lr = o->given.lr ? o->lr
              : large     ? LARGE_LR
                          : SMALL_LR,
        .accum_sum = "tree",
        .min_lr = MIN_LR,
        .weight_decay = q.weight_decay,
        .beta1 = q.beta1,
        .beta2 = q.beta2,
        .adam_eps = q.eps,
        .clip = q.clip,
    };
}
