#include "train/together.h"

#include <stdio.h>
#include <string.h>

#include "ranks/same.h"
#include "train/data.h"

int together_check(struct trainer *t, struct err *e)
{
    struct same here = {.isa = ""};
    snprintf(here.isa, sizeof here.isa, "%s", t->kern.level->name);
    options_text(here.options);
    same_add(&here, "the vocabulary", t->train.vocab_fingerprint);
    same_add(&here, "train.shard", t->train.fingerprint);
    same_add(&here, "valid.shard", t->valid.fingerprint);
    return same_check(&t->ranks, &here, e);
}

/* ---- what rank 0 decides --------------------------------------------------------------------- */

struct decision {
    struct dims dims;
    struct ckpt_settings settings;
    struct ckpt_progress progress;
    struct ckpt_prints prints;
    size_t optimiser; /* index into optim_kinds */
    double values[OPTIM_MAX_SETTINGS];
    bool has_bf16; /* instructions for it, which round otherwise than the plain C instead of them */
    bool resumed;
    char resumed_from[4096];
};

static void tell(const struct trainer *t, struct decision *d)
{
    *d = (struct decision){.dims = t->dims,
                           .settings = t->settings,
                           .progress = t->progress,
                           .prints = t->prints,
                           .has_bf16 = kern_has_bf16(&t->kern),
                           .resumed = t->resumed_from != NULL};
    while (optim_kinds[d->optimiser] != t->optim_settings.kind)
        d->optimiser++;
    memcpy(d->values, t->optim_settings.values, sizeof d->values);
    if (d->resumed)
        snprintf(d->resumed_from, sizeof d->resumed_from, "%s", t->resumed_from);
}

static int take(struct trainer *t, const struct decision *d, struct err *e)
{
    t->dims = d->dims;
    t->settings = d->settings;
    t->progress = d->progress;
    t->prints = d->prints;
    t->optim_settings.kind = optim_kinds[d->optimiser];
    memcpy(t->optim_settings.values, d->values, sizeof d->values);
    if (d->resumed) {
        struct ckpt_state had = {t->settings, t->progress, t->prints};
        t->resumed_from = strdup(d->resumed_from);
        if (!t->resumed_from)
            return err_memory(e, "out of memory");
        if (data_resume(t, &had, t->resumed_from, e))
            return -1;
    }
    if (strcmp(d->settings.precision, "bf16") != 0)
        return 0;
    if (kern_has_bf16(&t->kern) != d->has_bf16)
        return err_usage(e,
                         "the processor %s instructions for bf16, unlike that of rank 0; give "
                         "--precision f32",
                         d->has_bf16 ? "lacks" : "has");
    kern_use_bf16(&t->kern);
    return 0;
}

int together_decide(struct trainer *t, int rc, struct err *e)
{
    struct decision d = {.resumed = false};
    if (t->ranks.size == 1)
        return rc;
    if (rc == 0 && trainer_is_first(t))
        rc = exchange_check(t->ranks.size, t->settings.accum, e);
    if (ranks_agree(&t->ranks, rc, e))
        return -1;
    if (trainer_is_first(t))
        tell(t, &d);
    if (ranks_share(&t->ranks, &d, sizeof d, e))
        return -1;
    rc = trainer_is_first(t) ? 0 : take(t, &d, e);
    if (rc == 0)
        rc = exchange_open(&t->exchange, &t->ranks, &t->dims, e);
    return ranks_agree(&t->ranks, rc, e);
}

int together_begin(struct trainer *t, struct err *e)
{
    if (t->ranks.size == 1)
        return 0;
    if (exchange_scatter(&t->exchange, &t->optim, t->params, e))
        return -1;
    return exchange_weights(&t->exchange, t->pool, t->params, e);
}
