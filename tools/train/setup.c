/* setup.c - opening a run: from options, data and perhaps a checkpoint to a trainer ready to step.
 */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "os/machine.h"
#include "os/plan.h"
#include "train/choose.h"
#include "train/data.h"
#include "train/init.h"
#include "train/optim_state.h"
#include "train/resume.h"
#include "train/together.h"
#include "os/threads.h"
#include "os/pages.h"

enum { STORY_STREAM = 1 << 20, SHUFFLE_STREAM = 1 << 21 };

/* ---- memory ---------------------------------------------------------------------------------- */

static void lay_out(struct trainer *t, struct arena *a)
{
    const struct ckpt_settings *s = &t->settings;
    size_t rows = s->batch * (size_t)t->dims.T;
    size_t n = dims_n_floats(&t->dims);
    t->params = arena_alloc(a, n, sizeof(float));
    t->tokens = arena_alloc(a, rows, sizeof *t->tokens);
    t->targets = arena_alloc(a, rows, sizeof *t->targets);
    t->pos = arena_alloc(a, rows, sizeof *t->pos);
    net_init(
        &t->net, &t->dims,
        grad_part_rows(rows, (size_t)t->dims.T, !trainer_reads_stories(t), pool_threads(t->pool)),
        true, &t->kern, pool_threads(t->pool), a);
    grad_init(&t->grad, &t->net, rows, pool_threads(t->pool), a);
    sums_init(&t->sums, n, s->accum / (uint64_t)t->ranks.size, a);
    if (t->ranks.size > 1)
        exchange_init(&t->exchange, &t->kern, a);
    optim_init(&t->optim, &t->optim_settings, &t->dims, &t->kern, pool_threads(t->pool),
               t->ranks.size > 1 ? &t->exchange.slices : NULL, t->ranks.rank, a);
    if (t->mixture.n)
        mixture_init(&t->mixture, batches_find(s->windows), (size_t)t->dims.T, a);
    else
        batches_init(&t->batches, &t->train, batches_find(s->windows), (size_t)t->dims.T,
                     s->batch * s->accum, a);
    for (size_t i = 0; i < t->n_valid_parts && trainer_reads_stories(t); i++)
        pieces_init(&t->valid_pieces[i], &t->valid_parts[i], (size_t)t->dims.T, a);
}

static int allocate(struct trainer *t, struct err *e)
{
    struct arena measure;
    arena_measure(&measure);
    lay_out(t, &measure);
    uint64_t have = machine_memory();
    if (measure.used > have)
        return err_set(
            e,
            "this model and batch need %llu MB of memory, this machine has %llu MB; use a "
            "smaller --batch, --seq-len or model",
            (unsigned long long)measure.used / 1000000, (unsigned long long)have / 1000000);
    if (arena_init(&t->arena, &pages_memory, measure.used, e))
        return -1;
    lay_out(t, &t->arena);
    t->grad.loss.filter = (float)t->options.head_filter;
    t->memory = measure.used;
    return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* A resumed run keeps what of its budget the options do not change. */
static void set_budget(struct trainer *t)
{
    const struct options *o = &t->options;
    struct ckpt_settings *s = &t->settings;
    if (!t->resumed_from || o->given.steps || o->given.epochs) {
        uint64_t per_epoch = t->mixture.n ? mixture_windows(&t->mixture) / (s->batch * s->accum)
                                          : batches_steps_per_epoch(&t->batches);
        per_epoch = MAX(per_epoch, (uint64_t)1);
        s->budget_steps = o->given.steps ? (uint64_t)o->steps : per_epoch * (uint64_t)o->epochs;
    }
    if (!t->resumed_from || o->given.hours)
        s->budget_hours = o->hours;
    t->schedule = (struct schedule){.n_steps = s->budget_steps,
                                    .hours = s->budget_hours,
                                    .lr = s->lr,
                                    .min_lr = s->min_lr,
                                    .shape = schedule_find(s->schedule),
                                    .decay_share = s->decay_share};
}

static void start_fresh(struct trainer *t)
{
    struct rng shuffle;
    t->progress = (struct ckpt_progress){.best_loss = INFINITY};
    rng_seed(&shuffle, t->settings.seed, SHUFFLE_STREAM);
    rng_seed(&t->story_rng, t->settings.seed, STORY_STREAM);
    memcpy(t->progress.rng, shuffle.s, sizeof shuffle.s);
    if (t->mixture.n)
        mixture_start(&t->mixture);
    else
        batches_start(&t->batches, &shuffle, 0, 0, t->train.n);
}

static int restore(struct trainer *t, struct err *e)
{
    struct rng shuffle;
    memcpy(shuffle.s, t->progress.rng, sizeof shuffle.s);
    memcpy(t->story_rng.s, t->progress.sample_rng, sizeof t->story_rng.s);
    if (t->mixture.n)
        return mixture_resume(&t->mixture, &t->progress, e) ? err_at(e, t->resumed_from, e) : 0;
    size_t n_windows = batches_windows_of(&t->batches, t->had_shards);
    if (t->progress.position > n_windows)
        return err_set(e, "%s: position %llu lies beyond the %zu windows of an epoch",
                       t->resumed_from, (unsigned long long)t->progress.position, n_windows);
    batches_start(&t->batches, &shuffle, t->progress.epoch, t->progress.position, t->had_shards);
    return 0;
}

static int fresh_model(struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    enum preset_kind preset = choose_preset(o, NULL);
    struct dims base;
    preset_table[preset].dims(&base, (int)t->train.vocab_size);
    if (choose_settings(&t->settings, o, preset, e) ||
        data_curriculum(t, t->settings.curriculum, e))
        return -1;
    return choose_dims(&t->dims, o, &base, e);
}

/* How the run computes; auto precision is what a resumed run had, else bf16 where the processor has
 * it. Other arithmetic on resume is no error, but not the uninterrupted run's. */
static void choose_arithmetic(struct trainer *t)
{
    struct ckpt_settings *s = &t->settings;
    int wanted = t->options.precision;
    const char *isa = t->kern.level->name;
    bool bf16 = wanted == OPTIONS_BF16;
    if (wanted == OPTIONS_AUTO)
        bf16 = t->resumed_from ? strcmp(s->precision, "bf16") == 0 : kern_has_bf16(&t->kern);
    if (bf16)
        kern_use_bf16(&t->kern);
    const char *precision = bf16 ? "bf16" : "f32";
    if (t->resumed_from && (strcmp(s->isa, isa) != 0 || strcmp(s->precision, precision) != 0))
        cli_warn("%s was last run with --cpu %s --precision %s; with %s and %s the results differ "
                 "from an uninterrupted run's",
                 t->resumed_from, s->isa, s->precision, isa, precision);
    snprintf(s->precision, sizeof s->precision, "%s", precision);
    snprintf(s->isa, sizeof s->isa, "%s", isa);
}

/* Model and settings, with what the run goes on from. c: the checkpoint it begins from; NULL for
 * one that makes its weights. */
static int decide(struct trainer *t, const struct ckpt *c, struct err *e)
{
    const struct options *o = &t->options;
    if (t->resumed_from ? resume_model(t, c, e) : c ? resume_weights(t, c, e) : fresh_model(t, e))
        return -1;
    if (t->resumed_from ? choose_set(&t->optim_settings, o, e)
                        : choose_optim(&t->optim_settings, o, &t->settings, t->dims.T, e))
        return -1;
    t->settings.eval_tokens = (uint64_t)t->options.eval_tokens;
    t->prints.vocab = t->train.vocab_fingerprint;
    if (!t->resumed_from)
        t->prints.train = t->train.fingerprint;
    if (o->eval_every)
        t->prints.valid = t->valid.fingerprint;
    choose_arithmetic(t);
    return 0;
}

/* The optimiser's tasks go to whoever is free, so no worker has weights of its own: they are
 * spread. */
static void spread_weights(struct trainer *t)
{
    pool_touch(t->pool, t->params, dims_n_floats(&t->dims) * sizeof *t->params);
    for (size_t i = 0; i < t->optim.n_tensors; i++) {
        const struct optim_tensor *x = &t->optim.tensors[i];
        for (size_t s = 0; s < OPTIM_MAX_ARRAYS && x->rule->arrays[s]; s++)
            pool_touch(t->pool, x->state[s], x->tensor.n * sizeof(float));
    }
}

static int fill(struct trainer *t, const struct ckpt *c, struct err *e)
{
    spread_weights(t);
    if (!c)
        init_params(&t->dims, t->settings.seed, t->params);
    else
        ckpt_read(c, t->params);
    return t->resumed_from && c ? optim_state_read(&t->optim, c, t->resumed_from, e) : 0;
}

/* rc, *e: how it went so far. Of many ranks the first one decides and has the checkpoint. */
static int prepare(struct trainer *t, const struct ckpt *c, int rc, struct err *e)
{
    bool first = trainer_is_first(t);
    if (rc == 0 && first)
        rc = decide(t, c, e);
    if (together_decide(t, rc, e))
        return -1;
    rc = data_parts(t, e) || data_check_length(t, e) || allocate(t, e) || (first && fill(t, c, e))
             ? -1
             : 0;
    if (ranks_agree(&t->ranks, rc, e) || together_begin(t, e))
        return -1;
    set_budget(t);
    if (t->resumed_from)
        return restore(t, e);
    start_fresh(t);
    return 0;
}

static int begin(struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    struct ckpt c = {0};
    if ((!o->resume && !o->init_from) || !trainer_is_first(t))
        return prepare(t, NULL, 0, e);
    int rc = o->resume ? resume_open(t, &c, e) : resume_open_weights(t, &c, e);
    bool opened = rc == 0;
    rc = prepare(t, &c, rc, e);
    if (opened)
        ckpt_close(&c);
    return rc;
}

/* The folder is locked first, so that no other run adds a checkpoint after we have looked for the
 * newest. */
static int hold_folder(struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    if (o->bench || !trainer_is_first(t))
        return 0;
    if (log_open(&t->log, o->save_dir, false, e))
        return -1;
    bool any = false;
    if (!o->resume && ckpt_any(o->save_dir, &any, e))
        return -1;
    if (any)
        return err_set(e,
                       "%s: holds checkpoints of an earlier run; go on with --resume or choose "
                       "another --save-dir",
                       o->save_dir);
    return 0;
}

static int enter_folder(struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    if (o->bench || !trainer_is_first(t))
        return 0;
    if (file_make_dirs(o->save_dir, e) || log_open(&t->log, o->save_dir, true, e) ||
        (t->resumed_from ? log_cut(&t->log, t->progress.step, e) : log_begin(&t->log, e)))
        return -1;
    /* what a run killed in between had still to delete */
    ckpt_remove_strays(o->save_dir);
    return t->resumed_from ? ckpt_prune(o->save_dir, t->progress.step, (size_t)o->keep, e) : 0;
}

int trainer_open(struct trainer *t, const struct options *o, struct err *e)
{
    *t = (struct trainer){.options = *o, .best_stands = INFINITY};
    if (ranks_open(&t->ranks, e))
        return -1;
    if (!trainer_is_first(t))
        cli_fall_silent();
    kern_init(&t->kern, o->cpu);
    if (machine_cache() > 0)
        t->kern.cache = machine_cache();
    int rc = data_open(t, e);
    if (rc == 0)
        rc = hold_folder(t, e);
    if (rc == 0) {
        int planned = (int)o->plan_threads;
        t->pool = planned ? plan_new(planned, e) : threads_new(o->threads, e);
        rc = t->pool ? 0 : -1;
    }
    if (ranks_agree(&t->ranks, rc, e) || together_check(t, e) || begin(t, e))
        return -1;
    return enter_folder(t, e);
}

void trainer_close(struct trainer *t)
{
    if (t->options.plan_threads)
        plan_free(t->pool);
    else
        threads_free(t->pool);
    log_close(&t->log);
    arena_release(&t->arena);
    exchange_release(&t->exchange);
    data_close(t);
    free(t->resumed_from);
    free(t->begun_from);
    ranks_close(&t->ranks);
    *t = (struct trainer){0};
}
