#include "train/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "format/kind.h"
#include "os/file.h"
#include "train/choose.h"
#include "train/data.h"
#include "train/optim_state.h"
#include "train/recipe.h"

/* ---- which ----------------------------------------------------------------------------------- */

static int open_newest(struct trainer *t, struct ckpt *c, const char *dir, struct err *e)
{
    char *skipped = NULL;
    int rc = ckpt_open_newest(c, dir, &t->resumed_from, &skipped, e);
    for (char *line = skipped, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        cli_warn("passed over: %s", line);
    }
    free(skipped);
    if (rc == 0 && !t->resumed_from)
        return ckpt_none(dir, "no checkpoint to resume from", e);
    return rc;
}

/* Going on from an older checkpoint beside later ones would mix two runs in one folder. */
static int check_is_newest(const struct trainer *t, const struct ckpt_progress *p, struct err *e)
{
    const char *dir = t->options.save_dir;
    struct ckpt newest;
    char *path;
    if (!file_is_folder(dir)) /* still to be made */
        return 0;
    int rc = ckpt_open_newest(&newest, dir, &path, NULL, e);
    if (rc || !path)
        return rc;
    if (newest.state.progress.step > p->step)
        rc = err_set(e,
                     "%s: is of a later step than %s (%llu, not %llu); delete it or choose "
                     "another --save-dir",
                     path, t->resumed_from, (unsigned long long)newest.state.progress.step,
                     (unsigned long long)p->step);
    ckpt_close(&newest);
    free(path);
    return rc;
}

/* One that is named. What else of ours it may be is called that. */
static int open_file(struct ckpt *c, const char *path, struct err *e)
{
    enum kind kind;
    if (kind_of_file(path, &kind, NULL, e))
        return -1;
    if (kind == KIND_BLOB || kind == KIND_SHARD || kind == KIND_VOCAB)
        return err_set(e, "%s: is %s, not a checkpoint that train saved", path, kind_text(kind));
    return ckpt_open(c, path, e);
}

/* One that is named, or of another folder. */
static int open_given(struct trainer *t, struct ckpt *c, struct err *e)
{
    const char *path = t->options.resume;
    if (file_is_folder(path))
        return open_newest(t, c, path, e);
    t->resumed_from = strdup(path);
    return t->resumed_from ? open_file(c, path, e) : err_memory(e, "out of memory");
}

int resume_open(struct trainer *t, struct ckpt *c, struct err *e)
{
    if (!t->options.resume[0])
        return open_newest(t, c, t->options.save_dir, e);
    if (open_given(t, c, e))
        return -1;
    if (check_is_newest(t, &c->state.progress, e) == 0)
        return 0;
    ckpt_close(c);
    return -1;
}

int resume_open_weights(struct trainer *t, struct ckpt *c, struct err *e)
{
    const char *path = t->options.init_from;
    if (file_is_folder(path))
        return ckpt_open_best(c, path, &t->begun_from, e);
    t->begun_from = strdup(path);
    return t->begun_from ? open_file(c, path, e) : err_memory(e, "out of memory");
}

/* ---- whether it fits ------------------------------------------------------------------------- */

/* What to do; a preset gives sizes that nobody typed. */
#define KEEP "; leave that option (or --preset) out to keep it"

static int differs(const char *name, double given, double had, const char *path, struct err *e)
{
    if (given == had)
        return 0;
    return err_set(e, "--%s %.15g does not match %s, which has %.15g" KEEP, name, given, path, had);
}

static int differs_text(const char *name, const char *given, const char *had, const char *path,
                        struct err *e)
{
    if (strcmp(given, had) == 0)
        return 0;
    return err_set(e, "--%s %s does not match %s, which has %s" KEEP, name, given, path, had);
}

/* A resumed run goes on with the checkpoint's own settings; what the options say must agree. */
static int check_settings(const struct options *o, const struct ckpt_settings *s, const char *path,
                          struct err *e)
{
    if ((o->given.optimiser &&
         differs_text("optimiser", optim_kinds[o->optimiser]->name, s->optimiser, path, e)) ||
        (o->given.batch && differs("batch", (double)o->batch, (double)s->batch, path, e)) ||
        (o->given.accum && differs("accum", (double)o->accum, (double)s->accum, path, e)) ||
        (o->given.seed && differs("seed", (double)o->seed, (double)s->seed, path, e)) ||
        (o->given.lr && differs("lr", o->lr, s->lr, path, e)) ||
        (o->given.recipe && differs_text("recipe", recipe_names[o->recipe], s->recipe, path, e)) ||
        (o->given.windows &&
         differs_text("windows", batches_names[o->windows], s->windows, path, e)) ||
        (o->given.schedule &&
         differs_text("schedule", schedule_names[o->schedule], s->schedule, path, e)) ||
        (o->given.decay_share && differs("decay-share", o->decay_share, s->decay_share, path, e)))
        return -1;
    return 0;
}

/* --curriculum may be given again, and then it is the same. */
static int check_curriculum(const struct trainer *t, const char *had, struct err *e)
{
    char asked[CKPT_CURRICULUM_BYTES];
    if (!t->options.curriculum)
        return 0;
    if (data_curriculum(t, asked, e))
        return -1;
    if (strcmp(asked, had) == 0)
        return 0;
    return err_set(e, "--curriculum %s does not match %s, which has %s" KEEP, t->options.curriculum,
                   t->resumed_from, had[0] ? had : "none");
}

/* Losses of other stories do not compare: neither with the best one nor with one another. */
static int keep_eval_tokens(struct options *o, uint64_t had, const char *path, struct err *e)
{
    if (had == CKPT_UNKNOWN)
        return 0;
    if (o->given.eval_tokens)
        return differs("eval-tokens", (double)o->eval_tokens, (double)had, path, e);
    o->eval_tokens = (long long)had;
    return 0;
}

/* Half-lives are kept as the betas that they give. */
static int check_betas(const struct trainer *t, const struct ckpt *c, struct err *e)
{
    static const char *const keys[] = {"beta1", "beta2"};
    struct optim_settings had = t->optim_settings;
    struct optim_settings asked = had;
    if (choose_betas(&asked, &t->options, &c->state.settings, c->dims.T, e))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const double *a = optim_value(&asked, keys[i]);
        const double *b = optim_value(&had, keys[i]);
        if (a && *a != *b)
            return err_set(
                e, "--%s-tokens, which gives %s %.15g, does not match %s, which has %.15g" KEEP,
                keys[i], keys[i], *a, t->resumed_from, *b);
    }
    return 0;
}

static int check_dims(const struct dims *d, const struct dims *had, const char *path, struct err *e)
{
    if (differs("dim", d->D, had->D, path, e) || differs("blocks", d->L, had->L, path, e) ||
        differs("hidden", d->H, had->H, path, e) || differs("kernel", d->K, had->K, path, e) ||
        differs("seq-len", d->T, had->T, path, e))
        return -1;
    char a[DIMS_MIXERS_TEXT];
    char b[DIMS_MIXERS_TEXT];
    dims_mixers_text(d, a, sizeof a);
    dims_mixers_text(had, b, sizeof b);
    if (strcmp(a, b) != 0)
        return err_set(e, "--mixers %s does not match %s, which has %s" KEEP, a, path, b);
    if (d->embed_norm != had->embed_norm)
        return err_set(e, "--embed-norm does not match %s, which has %s" KEEP, path,
                       had->embed_norm ? "one" : "none");
    if (differs("heads", d->heads, had->heads, path, e) ||
        differs("key-width", d->key_width, had->key_width, path, e) ||
        differs("window", d->window, had->window, path, e))
        return -1;
    dims_dilation_text(d, a, sizeof a);
    dims_dilation_text(had, b, sizeof b);
    if (strcmp(a, b) != 0)
        return err_set(e, "--dilation %s does not match %s, which has %s" KEEP, a, path, b);
    return 0;
}

static int same_fingerprint(const char *what, uint64_t found, uint64_t expected, const char *path,
                            struct err *e)
{
    if (found == expected)
        return 0;
    return err_set(e,
                   "%s: trained with another %s (found %016llx, this data has %016llx); let prep "
                   "make its data again",
                   path, what, (unsigned long long)expected, (unsigned long long)found);
}

/* More steps, epochs or windows than any run takes; sums of two cannot overflow. */
static const uint64_t MOST = UINT64_C(1) << 53;

/* A checkpoint is a file like any other: its state must make sense before it is used. */
static int check_state(const struct ckpt_state *state, const char *path, struct err *e)
{
    const struct ckpt_settings *s = &state->settings;
    const struct ckpt_progress *p = &state->progress;
    bool sizes = s->batch >= 1 && s->batch <= 65536 && s->accum >= 1 && s->accum <= 65536;
    bool counts = p->step <= MOST && p->tokens <= UINT64_C(1) << 60 && p->epoch <= MOST &&
                  p->position <= MOST && p->best_loss >= 0 && p->validation_due <= 1 &&
                  (s->eval_tokens <= MOST || s->eval_tokens == CKPT_UNKNOWN);
    bool rates = s->lr > 0 && s->lr <= 10 && s->min_lr >= 0 && s->min_lr <= 10 && p->share >= 0 &&
                 p->share <= 1 && p->elapsed >= 0 && p->elapsed < 1e12 && s->budget_hours >= 0 &&
                 s->budget_hours <= 1e6 && s->budget_steps > 0;
    int shape = schedule_find(s->schedule);
    bool schedule = shape == SCHEDULE_COSINE ||
                    (shape == SCHEDULE_LINEAR && s->decay_share > 0 && s->decay_share <= 1);
    bool precision = strcmp(s->precision, "f32") == 0 || strcmp(s->precision, "bf16") == 0;
    bool generators = (p->rng[0] | p->rng[1] | p->rng[2] | p->rng[3]) &&
                      (p->sample_rng[0] | p->sample_rng[1] | p->sample_rng[2] | p->sample_rng[3]);
    bool windows = batches_find(s->windows) >= 0;
    if (sizes && counts && rates && schedule && windows && generators && precision)
        return 0;
    return err_set(e, "%s: the state of its run is out of range (%s)", path,
                   !sizes       ? "batch or accum_steps"
                   : !counts    ? "step, tokens, epoch, position, best_loss or eval_tokens"
                   : !rates     ? "lr, progress, elapsed or budget"
                   : !schedule  ? "schedule or decay_share"
                   : !windows   ? "windows"
                   : !precision ? "precision"
                                : "random number generators");
}

/* No error, since nothing is wrong with the weights: only rounding differs. */
static void warn_of_older_sums(struct ckpt_settings *s, const char *path)
{
    if (s->accum > 1 && strcmp(s->accum_sum, "tree") != 0)
        cli_warn("%s was written by 0.1.0, which added the gradients of a step's %" PRIu64
                 " batches in another order; results differ from an uninterrupted run's",
                 path, s->accum);
    snprintf(s->accum_sum, sizeof s->accum_sum, "tree");
}

int resume_read_best(struct ckpt *c, const char *dir, bool *there, struct err *e)
{
    char *path;
    *there = false;
    if (asprintf(&path, "%s/best.safetensors", dir) < 0)
        return err_memory(e, "out of memory");
    *there = access(path, F_OK) == 0;
    int rc = *there ? ckpt_open_read(c, path, e) : 0;
    free(path);
    return rc;
}

bool resume_same_validation(const struct ckpt_state *a, const struct ckpt_state *b)
{
    return a->prints.vocab == b->prints.vocab && a->prints.valid == b->prints.valid &&
           a->settings.eval_tokens == b->settings.eval_tokens;
}

/* A run that was killed may have left a best.safetensors of a later step than its last checkpoint
 * knows of, and come to other losses this time (another clock, another processor): it stays until a
 * validation is as good. */
static int find_best(struct trainer *t, const struct ckpt_state *from, struct err *e)
{
    struct ckpt best;
    struct err fault;
    bool there;
    int rc = resume_read_best(&best, t->options.save_dir, &there, &fault);
    if (rc && fault.code == ERR_MEMORY)
        return err_at(e, "best checkpoint", &fault);
    if (rc)
        cli_warn("%s; the run goes on without this best one", fault.text);
    if (rc || !there)
        return 0;
    const struct ckpt_state *s = &best.state;
    if (best.has_state && s->progress.step > from->progress.step && resume_same_validation(s, from))
        t->best_stands = s->progress.best_loss;
    ckpt_close(&best);
    return 0;
}

/* ---- taking it ------------------------------------------------------------------------------- */

int resume_model(struct trainer *t, const struct ckpt *c, struct err *e)
{
    const char *path = t->resumed_from;
    struct dims d;
    if (!c->has_state || c->n_arrays == 0)
        return err_set(e,
                       "%s: holds weights only, so it cannot be resumed (--init-from starts a new "
                       "run from them)",
                       path);
    if (check_state(&c->state, path, e) ||
        check_settings(&t->options, &c->state.settings, path, e) ||
        keep_eval_tokens(&t->options, c->state.settings.eval_tokens, path, e) ||
        check_curriculum(t, c->state.settings.curriculum, e) ||
        choose_dims(&d, &t->options, &c->dims, e) || check_dims(&d, &c->dims, path, e) ||
        same_fingerprint("vocabulary", t->train.vocab_fingerprint, c->state.prints.vocab, path,
                         e) ||
        data_resume(t, &c->state, path, e) ||
        optim_state_settings(&t->optim_settings, c, path, e) || check_betas(t, c, e) ||
        find_best(t, &c->state, e))
        return -1;
    t->dims = c->dims;
    t->settings = c->state.settings;
    t->progress = c->state.progress;
    t->prints = c->state.prints;
    warn_of_older_sums(&t->settings, path);
    return 0;
}

int resume_weights(struct trainer *t, const struct ckpt *c, struct err *e)
{
    const struct options *o = &t->options;
    const char *path = t->begun_from;
    struct dims had = c->dims;
    if (c->ternary)
        return err_set(e, "%s: holds ternary weights, not the float weights training needs", path);
    if (had.V != (int)t->train.vocab_size)
        return err_set(e, "%s: made for another vocabulary (found %d tokens, this data has %u)",
                       path, had.V, t->train.vocab_size);
    if (c->state.prints.vocab &&
        same_fingerprint("vocabulary", t->train.vocab_fingerprint, c->state.prints.vocab, path, e))
        return -1;
    if (choose_dims(&t->dims, o, &had, e))
        return -1;
    had.T = t->dims.T; /* the weights fit any length */
    if (check_dims(&t->dims, &had, path, e))
        return -1;
    return choose_settings(&t->settings, o, choose_preset(o, &c->dims), e) ||
                   data_curriculum(t, t->settings.curriculum, e)
               ? -1
               : 0;
}
