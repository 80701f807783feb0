/* setup.c - opening a run: from options, data and perhaps a checkpoint to a trainer ready to step.
 */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/cli.h"
#include "format/vocabdb.h"
#include "os/machine.h"
#include "train/choose.h"
#include "train/init.h"
#include "train/optim_state.h"
#include "train/resume.h"
#include "os/threads.h"
#include "os/pages.h"

enum { BENCH_VOCAB = 10000, STORY_STREAM = 1 << 20, SHUFFLE_STREAM = 1 << 21 };

/* ---- data ------------------------------------------------------------------------------------ */

static int open_shard(struct shard *s, const char *dir, const char *name,
                      const struct vocab *vocabulary, struct err *e)
{
    char *path;
    uint64_t fingerprint = vocab_fingerprint(vocabulary);
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return err_memory(e, "out of memory");
    int rc = shard_open(s, path, e);
    if (rc == 0 && s->vocab_fingerprint != fingerprint)
        rc = err_set(e,
                     "%s: made with another vocabulary than vocab.db beside it (found "
                     "%016llx, expected %016llx)",
                     path, (unsigned long long)s->vocab_fingerprint,
                     (unsigned long long)fingerprint);
    else if (rc == 0 && s->vocab_size != vocabulary->n_tokens)
        rc = err_set(e, "%s: wrong size of the vocabulary (found %u, vocab.db has %u)", path,
                     s->vocab_size, vocabulary->n_tokens);
    free(path);
    return rc;
}

static int open_data(struct trainer *t, struct err *e)
{
    const char *dir = t->options.data;
    char *path;
    if (asprintf(&path, "%s/vocab.db", dir) < 0)
        return err_memory(e, "out of memory");
    int rc = vocabdb_load(&t->vocab, path, e);
    free(path);
    if (rc)
        return -1;
    t->tokenizer = tokenizer_new(&t->vocab, e);
    if (!t->tokenizer)
        return -1;
    if (open_shard(&t->train, dir, "train.shard", &t->vocab, e))
        return -1;
    if (t->options.eval_every && open_shard(&t->valid, dir, "valid.shard", &t->vocab, e))
        return -1;
    return 0;
}

/* For --bench: tokens as frequent as 1 / (id + 10), which is about how words are (Zipf). */
static int make_tokens(struct trainer *t, struct err *e)
{
    enum { N_TOKENS = 1 << 20 };
    struct rng rng;
    t->made_up = malloc(N_TOKENS * sizeof *t->made_up);
    if (!t->made_up)
        return err_memory(e, "out of memory");
    rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < N_TOKENS; i++) {
        double id = 10 * fmath_exp(rng_unit(&rng) * fmath_log((BENCH_VOCAB + 10) / 10.0)) - 10;
        t->made_up[i] = (uint16_t)MIN((int)id, BENCH_VOCAB - 1);
    }
    static const uint64_t one_story[] = {0, N_TOKENS};
    t->train = (struct shard){.tokens = t->made_up,
                              .stories = one_story,
                              .n_tokens = N_TOKENS,
                              .n_stories = 1,
                              .vocab_size = BENCH_VOCAB};
    t->options.eval_every = 0;
    return 0;
}

static int check_length(const struct trainer *t, struct err *e)
{
    size_t T = (size_t)t->dims.T;
    size_t n = batches_per_epoch(&t->train, batches_find(t->settings.windows), T);
    size_t per_step = t->settings.batch * t->settings.accum;
    if (n < per_step)
        return err_set(
            e,
            "%s/train.shard: too short for one step (%llu tokens give %zu windows of --seq-len "
            "%zu, a step takes %zu); use a smaller --seq-len or --batch",
            t->options.data, (unsigned long long)t->train.n_tokens, n, T, per_step);
    if (n > UINT32_MAX)
        return err_set(e, "%s/train.shard: more windows than a run can order (%zu)",
                       t->options.data, n);
    if (t->options.eval_every && batches_windows(t->valid.n_tokens, T) == 0)
        return err_set(e,
                       "%s/valid.shard: shorter than one window (%llu tokens, expected %zu); use "
                       "--eval-every 0 or a smaller --seq-len",
                       t->options.data, (unsigned long long)t->valid.n_tokens, T + 1);
    if (t->options.eval_every && t->options.eval_tokens && (uint64_t)t->options.eval_tokens < T + 1)
        return err_set(e, "--eval-tokens %lld is less than one window of %zu tokens",
                       t->options.eval_tokens, T + 1);
    return 0;
}

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
    t->window_pos = arena_alloc(a, rows, sizeof *t->window_pos);
    net_init(&t->net, &t->dims, rows, true, &t->kern, pool_threads(t->pool), a);
    grad_init(&t->grad, &t->net, pool_threads(t->pool), a);
    sums_init(&t->sums, n, s->accum, a);
    optim_init(&t->optim, &t->optim_settings, &t->dims, &t->kern, pool_threads(t->pool), a);
    batches_init(&t->batches, &t->train, batches_find(s->windows), (size_t)t->dims.T,
                 s->batch * s->accum, a);
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
    for (size_t r = 0; r < t->net.max_rows; r++)
        t->window_pos[r] = (uint32_t)(r % (size_t)t->dims.T);
    return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* A resumed run keeps what of its budget the options do not change. */
static void set_budget(struct trainer *t)
{
    const struct options *o = &t->options;
    struct ckpt_settings *s = &t->settings;
    if (!t->resumed_from || o->given.steps || o->given.epochs) {
        uint64_t per_epoch = batches_steps_per_epoch(&t->batches);
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
    batches_start(&t->batches, &shuffle, 0, 0);
}

static int restore(struct trainer *t, struct err *e)
{
    struct rng shuffle;
    memcpy(shuffle.s, t->progress.rng, sizeof shuffle.s);
    memcpy(t->story_rng.s, t->progress.sample_rng, sizeof t->story_rng.s);
    if (t->progress.position > t->batches.n_windows)
        return err_set(e, "%s: position %llu lies beyond the %zu windows of an epoch",
                       t->resumed_from, (unsigned long long)t->progress.position,
                       t->batches.n_windows);
    batches_start(&t->batches, &shuffle, t->progress.epoch, t->progress.position);
    return 0;
}

static int fresh_model(struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    enum preset_kind preset = choose_preset(o, NULL);
    struct dims base;
    preset_table[preset].dims(&base, (int)t->train.vocab_size);
    if (choose_settings(&t->settings, o, preset, e))
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

/* c: the checkpoint the run begins from; NULL for one that makes its weights. */
static int prepare(struct trainer *t, const struct ckpt *c, struct err *e)
{
    const struct options *o = &t->options;
    if (t->resumed_from ? resume_model(t, c, e) : c ? resume_weights(t, c, e) : fresh_model(t, e))
        return -1;
    if (t->resumed_from ? choose_set(&t->optim_settings, o, e)
                        : choose_optim(&t->optim_settings, o, &t->settings, t->dims.T, e))
        return -1;
    t->prints.vocab = t->train.vocab_fingerprint;
    t->prints.train = t->train.fingerprint;
    if (o->eval_every)
        t->prints.valid = t->valid.fingerprint;
    choose_arithmetic(t);
    if (check_length(t, e) || allocate(t, e))
        return -1;
    if (!c)
        init_params(&t->dims, t->settings.seed, t->params);
    else
        ckpt_read(c, t->params);
    if (t->resumed_from && optim_state_read(&t->optim, c, t->resumed_from, e))
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
    if (!o->resume && !o->init_from)
        return prepare(t, NULL, e);
    if (o->resume ? resume_open(t, &c, e) : ckpt_open(&c, o->init_from, e))
        return -1;
    int rc = prepare(t, &c, e);
    ckpt_close(&c);
    return rc;
}

int trainer_open(struct trainer *t, const struct options *o, struct err *e)
{
    *t = (struct trainer){.options = *o};
    kern_init(&t->kern, o->cpu);
    if (o->bench ? make_tokens(t, e) : open_data(t, e))
        return -1;
    /* first, so that no other run adds a checkpoint after we have looked for the newest */
    if (!o->bench && log_open(&t->log, o->save_dir, false, e))
        return -1;
    if (!o->bench && !o->resume && ckpt_any(o->save_dir))
        return err_set(e,
                       "%s: holds checkpoints of an earlier run; go on with --resume or choose "
                       "another --save-dir",
                       o->save_dir);
    t->pool = threads_new(o->threads, e);
    if (!t->pool || begin(t, e))
        return -1;
    if (o->bench)
        return 0;
    if (file_make_dirs(o->save_dir, e) || log_open(&t->log, o->save_dir, true, e) ||
        log_cut(&t->log, t->progress.step, e))
        return -1;
    /* what a run killed in between had still to delete */
    ckpt_remove_strays(o->save_dir);
    return t->resumed_from ? ckpt_prune(o->save_dir, t->progress.step, (size_t)o->keep, e) : 0;
}

void trainer_close(struct trainer *t)
{
    threads_free(t->pool);
    log_close(&t->log);
    arena_release(&t->arena);
    tokenizer_free(t->tokenizer);
    vocab_release(&t->vocab);
    shard_close(&t->train);
    shard_close(&t->valid);
    free(t->made_up);
    free(t->resumed_from);
    *t = (struct trainer){0};
}
