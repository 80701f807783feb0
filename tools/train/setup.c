/* setup.c - opening a run: from options, data and perhaps a checkpoint to a trainer ready to step.
 */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "format/vocabdb.h"
#include "train/init.h"

enum { LARGE_CPUS = 8, STORY_STREAM = 1 << 20, SHUFFLE_STREAM = 1 << 21 };
static const uint64_t LARGE_MEMORY = (uint64_t)32 * 1000 * 1000 * 1000;
static const double FLASHLM_MIN_LR = 1e-5;

/* ---- data ------------------------------------------------------------------------------------ */

static int open_shard(struct shard *s, const char *dir, const char *name, uint64_t vocabulary,
                      struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return err_set(e, "out of memory");
    int code = shard_open(s, path, e);
    if (code == 0 && s->vocab_fingerprint != vocabulary)
        code =
            err_set(e,
                    "%s: made with another vocabulary than vocab.db beside it (found "
                    "%016llx, expected %016llx)",
                    path, (unsigned long long)s->vocab_fingerprint, (unsigned long long)vocabulary);
    free(path);
    return code;
}

static int open_data(struct trainer *t, struct err *e)
{
    const char *dir = t->options.data;
    char *path;
    if (asprintf(&path, "%s/vocab.db", dir) < 0)
        return err_set(e, "out of memory");
    int code = vocabdb_load(&t->vocab, path, e);
    free(path);
    if (code)
        return -1;
    t->tokenizer = tokenizer_new(&t->vocab, e);
    if (!t->tokenizer)
        return -1;
    uint64_t vocabulary = vocab_fingerprint(&t->vocab);
    if (open_shard(&t->train, dir, "train.shard", vocabulary, e))
        return -1;
    if (t->options.eval_every && open_shard(&t->valid, dir, "valid.shard", vocabulary, e))
        return -1;
    return 0;
}

static int check_length(const struct trainer *t, struct err *e)
{
    size_t T = (size_t)t->dims.T;
    size_t n = batches_windows(t->train.n_tokens, T);
    size_t per_step = t->state.batch * t->state.accum;
    if (n < per_step)
        return err_set(
            e,
            "%s/train.shard: too short for one step (%llu tokens give %zu windows of %zu "
            "tokens, a step takes %zu); use a smaller --seq-len or --batch",
            t->options.data, (unsigned long long)t->train.n_tokens, n, T + 1, per_step);
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

/* ---- model ----------------------------------------------------------------------------------- */

/* The model the options ask for, `base` being what they leave open. */
static int choose_dims(struct dims *d, const struct options *o, const struct dims *base,
                       struct err *e)
{
    *d = *base;
    if (o->small)
        dims_small(d, base->V);
    if (o->large)
        dims_large(d, base->V);
    d->D = o->dim ? (int)o->dim : d->D;
    d->L = o->blocks ? (int)o->blocks : d->L;
    d->H = o->hidden ? (int)o->hidden : d->H;
    d->K = o->kernel ? (int)o->kernel : d->K;
    d->T = o->seq_len ? (int)o->seq_len : d->T;
    if (o->dilation && dims_parse_dilation(d, o->dilation, e))
        return -1;
    return dims_check(d, e);
}

static bool machine_is_large(void)
{
    return cpu_count() >= LARGE_CPUS && cpu_memory() >= LARGE_MEMORY;
}

static int fresh_model(struct trainer *t, struct err *e)
{
    struct options *o = &t->options;
    struct dims base;
    if (!o->small && !o->large && machine_is_large())
        o->large = true;
    dims_small(&base, (int)t->train.vocab_size);
    struct optim_options q = optim_defaults();
    t->state = (struct ckpt_state){
        .best_loss = INFINITY,
        .seed = (uint64_t)o->seed,
        .batch = (uint64_t)o->batch,
        .accum = o->accum   ? (uint64_t)o->accum
                 : o->large ? 2
                            : 1,
        .lr = o->lr > 0  ? o->lr
              : o->large ? 3e-3
                         : 4e-3,
        .min_lr = FLASHLM_MIN_LR,
        .weight_decay = q.weight_decay,
        .beta1 = q.beta1,
        .beta2 = q.beta2,
        .adam_eps = q.eps,
        .clip = q.clip,
    };
    return choose_dims(&t->dims, o, &base, e);
}

static int differs(const char *name, double given, double had, const char *path, struct err *e)
{
    if (given == had)
        return 0;
    return err_set(e, "--%s %g does not match %s, which has %g; a resumed run cannot change it",
                   name, given, path, had);
}

/* A resumed run goes on with the checkpoint's own settings; what the options say must agree. */
static int check_same(const struct options *o, const struct ckpt_state *s, const char *path,
                      struct err *e)
{
    if ((cli_given("batch") && differs("batch", (double)o->batch, (double)s->batch, path, e)) ||
        (cli_given("accum") && differs("accum", (double)o->accum, (double)s->accum, path, e)) ||
        (cli_given("seed") && differs("seed", (double)o->seed, (double)s->seed, path, e)) ||
        (cli_given("lr") && differs("lr", o->lr, s->lr, path, e)))
        return -1;
    return 0;
}

static int check_model(const struct trainer *t, const struct dims *had, const char *path,
                       struct err *e)
{
    struct dims d;
    if (choose_dims(&d, &t->options, had, e))
        return -1;
    if (differs("dim", d.D, had->D, path, e) || differs("blocks", d.L, had->L, path, e) ||
        differs("hidden", d.H, had->H, path, e) || differs("kernel", d.K, had->K, path, e) ||
        differs("seq-len", d.T, had->T, path, e))
        return -1;
    char a[512];
    char b[512];
    dims_dilation_text(&d, a, sizeof a);
    dims_dilation_text(had, b, sizeof b);
    if (strcmp(a, b) != 0)
        return err_set(e, "--dilation %s does not match %s, which has %s", a, path, b);
    return 0;
}

static int same_fingerprint(const char *what, uint64_t found, uint64_t expected, const char *path,
                            struct err *e)
{
    if (found == expected)
        return 0;
    return err_set(e, "%s: trained with another %s (found %016llx, this data has %016llx)", path,
                   what, (unsigned long long)expected, (unsigned long long)found);
}

static int check_data(const struct trainer *t, const struct ckpt_state *s, const char *path,
                      struct err *e)
{
    if (same_fingerprint("vocabulary", t->train.vocab_fingerprint, s->vocab_fingerprint, path, e) ||
        same_fingerprint("training shard", t->train.fingerprint, s->train_fingerprint, path, e))
        return -1;
    bool both = t->options.eval_every && s->valid_fingerprint;
    return both ? same_fingerprint("validation shard", t->valid.fingerprint, s->valid_fingerprint,
                                   path, e)
                : 0;
}

static int find_checkpoint(struct trainer *t, struct err *e)
{
    const char *dir = t->options.save_dir;
    if (t->options.resume[0]) {
        t->resumed_from = strdup(t->options.resume);
        return t->resumed_from ? 0 : err_set(e, "out of memory");
    }
    char *skipped = NULL;
    int code = ckpt_newest(dir, &t->resumed_from, &skipped, e);
    if (skipped)
        cli_warn("passed over damaged checkpoints: %s", skipped);
    free(skipped);
    if (code == 0 && !t->resumed_from)
        return err_set(e, "%s: no checkpoint to resume from", dir);
    return code;
}

/* A checkpoint is a file like any other: its state must make sense before it is used. */
static int check_state(const struct ckpt_state *s, const char *path, struct err *e)
{
    bool sizes = s->batch >= 1 && s->batch <= 65536 && s->accum >= 1 && s->accum <= 65536;
    bool rates = s->lr > 0 && s->lr <= 10 && s->min_lr >= 0 && s->progress >= 0 &&
                 s->progress <= 1 && s->elapsed >= 0 && s->elapsed < 1e12 && s->budget_hours >= 0 &&
                 s->budget_steps > 0;
    bool moments = s->beta1 >= 0 && s->beta1 < 1 && s->beta2 >= 0 && s->beta2 < 1 &&
                   s->adam_eps > 0 && s->clip >= 0 && s->weight_decay >= 0;
    bool generators = (s->rng[0] | s->rng[1] | s->rng[2] | s->rng[3]) &&
                      (s->sample_rng[0] | s->sample_rng[1] | s->sample_rng[2] | s->sample_rng[3]);
    if (sizes && rates && moments && generators)
        return 0;
    return err_set(e, "%s: the state of its run is out of range (%s)", path,
                   !sizes     ? "batch or accum_steps"
                   : !rates   ? "lr, progress, elapsed or budget"
                   : !moments ? "optimiser settings"
                              : "random number generators");
}

static int resumed_model(struct trainer *t, struct ckpt *c, struct err *e)
{
    const char *path = t->resumed_from;
    if (!c->has_state || !c->has_moments)
        return err_set(e,
                       "%s: holds weights only, so it cannot be resumed (--init-from starts a new "
                       "run from them)",
                       path);
    if (check_state(&c->state, path, e) || check_same(&t->options, &c->state, path, e) ||
        check_model(t, &c->dims, path, e) || check_data(t, &c->state, path, e))
        return -1;
    t->dims = c->dims;
    t->state = c->state;
    return 0;
}

static int started_model(struct trainer *t, struct ckpt *c, struct err *e)
{
    const char *path = t->options.init_from;
    if (fresh_model(t, e))
        return -1;
    if (c->ternary)
        return err_set(e, "%s: holds ternary weights, not the float weights training needs", path);
    if (c->dims.V != (int)t->train.vocab_size)
        return err_set(e, "%s: made for another vocabulary (found %d tokens, this data has %u)",
                       path, c->dims.V, t->train.vocab_size);
    if (c->state.vocab_fingerprint && same_fingerprint("vocabulary", t->train.vocab_fingerprint,
                                                       c->state.vocab_fingerprint, path, e))
        return -1;
    struct dims had = c->dims;
    if (t->options.seq_len)
        had.T = (int)t->options.seq_len;
    if (check_model(t, &had, path, e))
        return -1;
    t->dims = had;
    return 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void lay_out(struct trainer *t, struct arena *a)
{
    const struct ckpt_state *s = &t->state;
    size_t rows = s->batch * (size_t)t->dims.T;
    size_t n = dims_n_floats(&t->dims);
    struct optim_options q = {s->beta1, s->beta2, s->adam_eps, s->weight_decay, s->clip};
    t->params = arena_alloc(a, n, sizeof(float));
    t->tokens = arena_alloc(a, rows, sizeof *t->tokens);
    t->targets = arena_alloc(a, rows, sizeof *t->targets);
    t->pos = arena_alloc(a, rows, sizeof *t->pos);
    net_init(&t->net, &t->dims, rows, true, &t->kern, a);
    grad_init(&t->grad, &t->net, a);
    optim_init(&t->optim, &q, n, a);
    batches_init(&t->batches, &t->train, (size_t)t->dims.T, s->batch * s->accum, a);
}

static int allocate(struct trainer *t, struct err *e)
{
    struct arena measure;
    arena_measure(&measure);
    lay_out(t, &measure);
    uint64_t have = cpu_memory();
    if (measure.overflow || measure.used > have)
        return err_set(
            e,
            "this model and batch need %llu MB of memory, this machine has %llu MB; use a "
            "smaller --batch, --seq-len or model",
            (unsigned long long)measure.used / 1000000, (unsigned long long)have / 1000000);
    if (arena_init(&t->arena, measure.used, e))
        return -1;
    lay_out(t, &t->arena);
    t->memory = measure.used;
    for (size_t r = 0; r < t->net.max_rows; r++)
        t->pos[r] = (uint32_t)(r % (size_t)t->dims.T);
    return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static void set_budget(struct trainer *t)
{
    const struct options *o = &t->options;
    struct ckpt_state *s = &t->state;
    if (!t->resumed_from || options_budget_given()) {
        uint64_t per_epoch = batches_steps_per_epoch(&t->batches);
        s->budget_steps = o->steps ? (uint64_t)o->steps : per_epoch * (uint64_t)o->epochs;
        s->budget_hours = o->hours;
    }
    t->schedule = (struct schedule){
        .n_steps = s->budget_steps, .hours = s->budget_hours, .lr = s->lr, .min_lr = s->min_lr};
}

static void start_fresh(struct trainer *t)
{
    struct rng shuffle;
    rng_seed(&shuffle, t->state.seed, SHUFFLE_STREAM);
    rng_seed(&t->story_rng, t->state.seed, STORY_STREAM);
    batches_start(&t->batches, &shuffle, 0, 0);
}

static int restore(struct trainer *t, struct err *e)
{
    struct rng shuffle;
    memcpy(shuffle.s, t->state.rng, sizeof shuffle.s);
    memcpy(t->story_rng.s, t->state.sample_rng, sizeof t->story_rng.s);
    if (t->state.position > t->batches.n_windows)
        return err_set(e, "%s: position %llu lies beyond the %zu windows of an epoch",
                       t->resumed_from, (unsigned long long)t->state.position,
                       t->batches.n_windows);
    batches_start(&t->batches, &shuffle, t->state.epoch, t->state.position);
    return 0;
}

static int prepare(struct trainer *t, struct err *e)
{
    struct ckpt c = {0};
    const struct options *o = &t->options;
    const char *path = t->resumed_from ? t->resumed_from : o->init_from;
    int code = -1;
    if (path && ckpt_open(&c, path, e))
        return -1;
    if (t->resumed_from ? resumed_model(t, &c, e)
        : path          ? started_model(t, &c, e)
                        : fresh_model(t, e))
        goto out;
    t->state.vocab_fingerprint = t->train.vocab_fingerprint;
    t->state.train_fingerprint = t->train.fingerprint;
    if (o->eval_every)
        t->state.valid_fingerprint = t->valid.fingerprint;
    snprintf(t->state.precision, sizeof t->state.precision, "f32");
    snprintf(t->state.isa, sizeof t->state.isa, "%s", cpu_level_names[t->kern.level]);
    if (check_length(t, e) || allocate(t, e))
        goto out;
    if (!path)
        init_params(&t->dims, t->state.seed, t->params);
    else if (ckpt_read(&c, t->params, t->resumed_from ? t->optim.m : NULL,
                       t->resumed_from ? t->optim.v : NULL, e))
        goto out;
    set_budget(t);
    if (!t->resumed_from)
        start_fresh(t);
    else if (restore(t, e))
        goto out;
    code = 0;
out:
    if (path)
        ckpt_close(&c);
    return code;
}

int trainer_open(struct trainer *t, const struct options *o, struct err *e)
{
    *t = (struct trainer){.options = *o};
    enum cpu_level level;
    if (cpu_parse(o->cpu, &level, e))
        return -1;
    kern_init(&t->kern, level);
    if (open_data(t, e))
        return -1;
    if (o->resume && find_checkpoint(t, e))
        return -1;
    if (!o->resume && ckpt_any(o->save_dir))
        return err_set(e,
                       "%s: holds checkpoints of an earlier run; go on with --resume or choose "
                       "another --save-dir",
                       o->save_dir);
    if (file_make_dirs(o->save_dir, e) || prepare(t, e))
        return -1;
    t->pool = pool_new(o->threads ? (int)o->threads : cpu_count(), e);
    return t->pool ? 0 : -1;
}

void trainer_close(struct trainer *t)
{
    pool_free(t->pool);
    arena_release(&t->arena);
    tokenizer_free(t->tokenizer);
    vocab_release(&t->vocab);
    shard_close(&t->train);
    shard_close(&t->valid);
    free(t->resumed_from);
    *t = (struct trainer){0};
}
