#include "train/together.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "os/file.h"
#include "train/data.h"

/* ---- whether it is one run ------------------------------------------------------------------- */

/* What ranks compare. Each is 0 or empty where there is nothing to compare. */
struct identity {
    uint64_t program, vocab, train, valid;
    char version[32];
    char isa[16];
    char options[OPTIONS_TEXT];
};

static uint64_t program_print(void)
{
    struct file_map m;
    struct err ignored;
    if (file_map(&m, "/proc/self/exe", &ignored))
        return 0;
    uint64_t print = hash64(m.data, m.size);
    file_unmap(&m);
    return print;
}

static int same_print(const char *what, uint64_t here, uint64_t first, struct err *e)
{
    if (here == first)
        return 0;
    return err_set(e,
                   "%s differs from that of rank 0 (found %016" PRIx64 ", expected %016" PRIx64 ")",
                   what, here, first);
}

/* The first line that is not the same. */
static int same_options(const char *here, const char *first, struct err *e)
{
    while (*here && *first) {
        int n = (int)strcspn(here, "\n");
        int m = (int)strcspn(first, "\n");
        if (n != m || memcmp(here, first, (size_t)n) != 0)
            return err_usage(e, "has other options than rank 0 (found %.*s, expected %.*s)", n,
                             here, m, first);
        here += n + (here[n] == '\n');
        first += m + (first[m] == '\n');
    }
    return 0;
}

static int same_identity(const struct identity *here, const struct identity *first, struct err *e)
{
    if (strcmp(here->version, first->version) != 0)
        return err_set(e, "runs version %s of this program, rank 0 version %s", here->version,
                       first->version);
    if (strcmp(here->isa, first->isa) != 0)
        return err_usage(
            e,
            "computes with instruction set %s, rank 0 with %s, which rounds otherwise; "
            "give all ranks the lesser of them (--cpu)",
            here->isa, first->isa);
    if (same_print("the program", here->program, first->program, e) ||
        same_options(here->options, first->options, e) ||
        same_print("the vocabulary", here->vocab, first->vocab, e) ||
        same_print("train.shard", here->train, first->train, e) ||
        same_print("valid.shard", here->valid, first->valid, e))
        return -1;
    return 0;
}

int together_check(struct trainer *t, struct err *e)
{
    struct identity *both = t->ranks.size > 1 ? calloc(2, sizeof *both) : NULL;
    if (t->ranks.size == 1)
        return 0;
    if (ranks_agree(&t->ranks, both ? 0 : err_memory(e, "out of memory"), e)) {
        free(both);
        return -1;
    }
    struct identity *here = &both[0];
    here->program = program_print();
    here->vocab = t->train.vocab_fingerprint;
    here->train = t->train.fingerprint;
    here->valid = t->valid.fingerprint;
    snprintf(here->version, sizeof here->version, "%s", BOLT_VERSION);
    snprintf(here->isa, sizeof here->isa, "%s", t->kern.level->name);
    options_text(here->options);
    both[1] = *here;
    int rc = ranks_share(&t->ranks, &both[1], sizeof *both, e);
    if (rc == 0)
        rc = ranks_agree(&t->ranks, same_identity(here, &both[1], e), e);
    free(both);
    return rc;
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
