#include "train/loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "os/clock.h"
#include "train/stories.h"

enum { N_STORIES = 3, STORY_TOKENS = 150 };

/* What has gathered since the last report and the last save. */
struct loop {
    struct trainer *t;
    struct cli_progress progress;
    double started;  /* clock when the run began, as if it had never been interrupted */
    double loss_sum; /* since the last report */
    uint64_t n_losses;
    double busy;     /* seconds of steps since the last report */
    double saved_at; /* clock of the last checkpoint */
    struct trainer_step last;
    bool late;      /* the last checkpoint is older than --save-minutes */
    char *saved;    /* path of the last checkpoint, owned; NULL before the first */
    bool log_fails; /* lines of the log wait to be written */
    size_t stage;   /* of a curriculum, from 1, as said last */
};

/* What a validation gave. */
struct validation {
    double loss;                  /* NaN: there was none */
    struct trainer_losses losses; /* of it, and of the parts */
    bool best;                    /* lower than any before */
    double before;                /* the best loss until then */
};

static bool due(long long every, uint64_t step)
{
    return every > 0 && step % (uint64_t)every == 0;
}

static double tokens_per_second(const struct loop *l)
{
    const struct trainer *t = l->t;
    double per_step = (double)(t->settings.batch * t->settings.accum) * (double)t->dims.T;
    return (double)l->n_losses * per_step / (l->busy + 1e-9);
}

/* The schedule's progress moves with the steps and, in a run with hours, with the clock. */
static void update_clock(struct loop *l)
{
    struct ckpt_progress *p = &l->t->progress;
    p->elapsed = clock_seconds() - l->started;
    p->share = schedule_progress(&l->t->schedule, p->share, p->step, p->elapsed);
}

/* Rank 0's clock and whether any rank has caught a signal become known to all, so that all decide
 * alike. */
static int look_up(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    const struct options *o = &t->options;
    update_clock(l);
    l->late = o->save_minutes > 0 && clock_seconds() - l->saved_at >= 60 * o->save_minutes;
    t->caught |= cli_caught() != 0;
    double first = trainer_is_first(t);
    double told[] = {first * t->progress.elapsed, first * t->progress.share, first * l->late,
                     t->caught};
    if (ranks_sum(&t->ranks, told, ARRAY_LEN(told), e))
        return -1;
    t->progress.elapsed = told[0];
    t->progress.share = told[1];
    l->late = told[2] > 0;
    t->caught = told[3] > 0;
    return 0;
}

static bool out_of_time(const struct trainer *t)
{
    return t->schedule.hours > 0 && t->progress.elapsed >= 3600 * t->schedule.hours;
}

static bool out_of_patience(const struct trainer *t)
{
    return t->options.eval_every && t->options.patience &&
           t->progress.patience >= (uint64_t)t->options.patience;
}

static bool finished(const struct trainer *t)
{
    return t->progress.step >= t->schedule.n_steps || out_of_time(t) || out_of_patience(t);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void show_progress(struct loop *l)
{
    const struct ckpt_progress *p = &l->t->progress;
    char text[160], step[32], speed[32];
    snprintf(text, sizeof text, "step %s, loss %.3f, lr %.2g, %s tokens/s",
             cli_count_text(step, p->step), l->loss_sum / (double)l->n_losses, l->last.lr,
             cli_count_text(speed, (uint64_t)tokens_per_second(l)));
    cli_progress_update(&l->progress, p->share, text);
}

static void tell_parts(struct log_report *r, const struct trainer *t,
                       const struct trainer_losses *losses)
{
    for (size_t i = 0; i < t->n_valid_parts && t->valid_parts[i].parts[0][0]; i++) {
        r->part_names[i] = t->valid_parts[i].parts[0];
        r->part_loss[i] = losses->part[i].loss;
        r->part_bpc[i] = losses->part[i].bpc;
        r->n_parts = i + 1;
    }
}

static void say_parts(const struct log_report *r)
{
    for (size_t i = 0; i < r->n_parts; i++)
        cli_say("%s%s %.4f (%.4f)%s", i ? ", " : "  ", r->part_names[i], r->part_loss[i],
                r->part_bpc[i], i + 1 == r->n_parts ? "\n" : "");
}

static void say_report(const struct log_report *r, bool best)
{
    char step[32], elapsed[32], speed[32], valid[96] = "";
    if (!isnan(r->val_loss))
        snprintf(valid, sizeof valid, ", validation %.4f (%.4f bits per character)%s", r->val_loss,
                 r->val_bpc, best ? ", best so far" : "");
    cli_say("step %s, %s: loss %.4f%s, %s tokens/s\n", cli_count_text(step, r->step),
            cli_duration_text(elapsed, r->elapsed), r->loss, valid,
            cli_count_text(speed, (uint64_t)r->tok_s));
    say_parts(r);
}

/* A log that cannot be written does not end the run: its lines wait (log.h). Warned of once. */
static void note_log(struct loop *l, int rc, const struct err *fault)
{
    if (rc && !l->log_fails)
        cli_warn("%s; the run goes on, and the log is written when it can be", fault->text);
    l->log_fails = rc != 0;
}

/* What r says of the weights that are 0; nothing of a trainer that is NULL. */
static void count_zeros(struct log_report *r, const struct trainer *t)
{
    r->zero_share = t ? trainer_zero_share(t, r->block_zero_share) : NAN;
    r->n_blocks = t ? t->dims.L : 0;
}

/* Reports on the steps since the last report. */
static void report(struct loop *l, const struct validation *v)
{
    const struct trainer *t = l->t;
    const struct ckpt_progress *p = &t->progress;
    struct err fault;
    bool validated = !isnan(v->loss);
    struct log_report r = {
        .step = p->step,
        .tokens = p->tokens,
        .epoch = trainer_epoch(t),
        .loss = l->loss_sum / (double)l->n_losses,
        .lr = l->last.lr,
        .grad_norm = l->last.grad_norm,
        .tok_s = tokens_per_second(l),
        .progress = p->share,
        .elapsed = p->elapsed,
        .val_loss = v->loss,
        .val_bpc = validated ? v->losses.bpc : NAN,
    };
    if (validated)
        tell_parts(&r, t, &v->losses);
    count_zeros(&r, validated ? t : NULL);
    if (validated || cli.verbose)
        say_report(&r, v->best);
    l->loss_sum = 0;
    l->n_losses = 0;
    l->busy = 0;
    if (trainer_is_first(t))
        note_log(l, log_write(&l->t->log, &r, &fault), &fault);
}

/* ---- validation, stories, checkpoints -------------------------------------------------------- */

/* Before the last stage, losses rise on a part that is validated but no longer trained on. */
static bool in_last_stage(const struct trainer *t)
{
    const struct curriculum *c = &t->mixture.curriculum;
    return !t->mixture.n || curriculum_stage(c, t->progress.share) + 1 == c->n_stages;
}

/* A validation that a signal ends is left for the resumed run: v->loss stays NaN. */
static int validate_first(struct trainer *t, struct validation *v, struct err *e)
{
    struct ckpt_progress *p = &t->progress;
    struct trainer_losses losses;
    p->validation_due = !trainer_validate(t, &losses);
    double loss = losses.loss;
    if (p->validation_due)
        return 0;
    if (!isfinite(loss))
        return err_set(e, "step %" PRIu64 ": the validation loss is not finite", p->step);
    *v = (struct validation){
        .loss = loss, .losses = losses, .best = loss < p->best_loss, .before = p->best_loss};
    p->best_loss = MIN(loss, p->best_loss);
    p->patience = v->best || !in_last_stage(t) ? 0 : p->patience + 1;
    return 0;
}

/* The first rank validates and sends the others the result. */
static int validate(struct trainer *t, struct validation *v, struct err *e)
{
    struct {
        struct validation validation;
        struct ckpt_progress progress;
        bool caught;
    } told = {.validation = *v};
    if (trainer_is_first(t)) {
        if (validate_first(t, &told.validation, e))
            return -1;
        told.progress = t->progress;
        told.caught = t->caught || cli_caught();
    }
    if (ranks_share(&t->ranks, &told, sizeof told, e))
        return -1;
    *v = told.validation;
    t->progress = told.progress;
    t->caught = told.caught;
    return 0;
}

/* The best loss is that of the file: a later validation must beat what stands there, and be as good
 * as what a killed run left: the same step's again. Only the first rank knows, and decides. */
static void save_best(struct trainer *t, const struct validation *v)
{
    struct err fault;
    bool better = v->loss <= t->best_stands;
    if (!better)
        cli_say("best.safetensors stays: it has %.4f, of a step after the last checkpoint\n",
                t->best_stands);
    if (!better || !trainer_is_first(t))
        return;
    if (trainer_save(t, "best.safetensors", &fault) == 0)
        return;
    t->progress.best_loss = v->before;
    cli_warn("%s; the run goes on without this best one", fault.text);
}

/* No memory for stories is no reason to end the run. Untold ones draw their seeds too. */
static void tell_stories(struct trainer *t)
{
    struct err fault;
    if (!cli.quiet && trainer_is_first(t)) {
        if (stories_tell(&t->dims, t->params, &t->kern, t->tokenizer, &t->story_rng, N_STORIES,
                         STORY_TOKENS, &fault) == 0)
            return;
        cli_warn("no stories are told: %s; the run goes on", fault.text);
    }
    for (int i = 0; i < N_STORIES; i++)
        rng_u64(&t->story_rng);
}

/* Older ones go only after the new one is safe on the disk. */
static int save_step(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    struct err fault;
    char name[64];
    char *path;
    snprintf(name, sizeof name, "step-%09" PRIu64 ".safetensors", t->progress.step);
    if (asprintf(&path, "%s/%s", t->options.save_dir, name) < 0)
        return err_memory(e, "out of memory");
    if (trainer_save(t, name, e)) {
        free(path);
        return -1;
    }
    free(l->saved);
    l->saved = path;
    if (ckpt_prune(t->options.save_dir, t->progress.step, (size_t)t->options.keep, &fault))
        cli_warn("%s", fault.text);
    return 0;
}

/* What no resume could read must not take the place of a checkpoint that is good: an optimiser's
 * array can be infinite long before the loss is. Only the first rank has all of it. */
static int gather(struct trainer *t, struct err *e)
{
    if (trainer_gather(t, e))
        return -1;
    return trainer_is_first(t) ? trainer_check_finite(t, e) : 0;
}

/* A checkpoint that cannot be written is an error for the last one alone: else the run goes on and
 * tries again at the next save, with those before it untouched. */
static int save(struct loop *l, bool last, struct err *e)
{
    struct err fault;
    const char *good = l->saved ? l->saved : l->t->resumed_from;
    if (good && access(good, F_OK) != 0)
        good = NULL;
    if (!trainer_is_first(l->t))
        return 0;
    /* not the schedule's share too, which the other ranks would learn of only after a step */
    l->t->progress.elapsed = clock_seconds() - l->started;
    note_log(l, log_sync(&l->t->log, &fault), &fault);
    int rc = save_step(l, &fault);
    l->saved_at = clock_seconds();
    if (rc && last)
        return err_system(e, "%s; %s%s", fault.text,
                          good ? "--resume goes on from " : "there is no checkpoint to go on from",
                          good ? good : "");
    if (rc)
        cli_warn("%s; the run goes on and tries again at the next save", fault.text);
    if (last && l->log_fails)
        return err_system(e, "%s: the last reports could not be written", l->t->log.path);
    return 0;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* The validation that a signal ended before the run was resumed: best.safetensors, the checkpoint
 * and the log become what they would have been. */
static int make_up_validation(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    struct validation v = {.loss = NAN};
    struct err fault;
    char step[32];
    bool due = t->progress.validation_due && t->options.eval_every;
    t->progress.validation_due = 0;
    if (due && validate(t, &v, e))
        return -1;
    if (isnan(v.loss))
        return 0;
    if (gather(t, e))
        return -1;
    struct log_report r = {.step = t->progress.step, .val_loss = v.loss, .val_bpc = v.losses.bpc};
    tell_parts(&r, t, &v.losses);
    count_zeros(&r, t);
    cli_say("step %s: validation %.4f (%.4f bits per character)%s\n", cli_count_text(step, r.step),
            r.val_loss, r.val_bpc, v.best ? ", best so far" : "");
    say_parts(&r);
    if (trainer_is_first(t))
        note_log(l, log_amend(&t->log, &r, &fault), &fault);
    if (v.best)
        save_best(t, &v);
    return save(l, finished(t), e);
}

/* Whatever this step's number, the clock or the end calls for. A report comes before a checkpoint,
 * so that the log of a run killed at any moment holds all steps up to the newest one. */
static int after_step(struct loop *l, bool *stop, struct err *e)
{
    struct trainer *t = l->t;
    const struct options *o = &t->options;
    uint64_t step = t->progress.step;
    struct validation v = {.loss = NAN};
    bool validating = due(o->eval_every, step) || (o->eval_every && finished(t));
    if (validating && validate(t, &v, e))
        return -1;
    *stop = finished(t) || t->caught;
    bool saving = *stop || l->late || due(o->save_every, step);
    bool telling = due(o->sample_every, step);
    if (validating || saving || due(o->log_every, step))
        report(l, &v);
    if ((telling || saving || v.best) && gather(t, e))
        return -1;
    if ((saving || v.best) && trainer_is_first(t) && log_check_ours(&t->log, e))
        return -1;
    if (telling)
        tell_stories(t);
    if (v.best)
        save_best(t, &v);
    return saving ? save(l, *stop, e) : 0;
}

/* Says a stage of a curriculum as it begins. */
static void say_stage(struct loop *l)
{
    const struct mixture *m = &l->t->mixture;
    const struct curriculum *c = &m->curriculum;
    double progress = l->t->progress.share, from[CURRICULUM_MAX_PARTS], to[CURRICULUM_MAX_PARTS];
    size_t stage = m->n ? curriculum_stage(c, progress) + 1 : 0;
    if (stage == l->stage)
        return;
    double begin = stage > 1 ? c->stages[stage - 2].end : 0, end = c->stages[stage - 1].end;
    l->stage = stage;
    cli_say("stage %zu of %zu, %.4g %% to %.4g %% of the run:", stage, c->n_stages, 100 * begin,
            100 * end);
    curriculum_shares(c, begin, from);
    curriculum_stage_end(c, stage - 1, to);
    for (size_t i = 0, said = 0; i < m->n; i++) {
        if (from[i] <= 0 && to[i] <= 0)
            continue;
        cli_say("%s %s %.3g", said++ ? "," : "", m->part[i].name, 100 * from[i]);
        if (fabs(from[i] - to[i]) > 1e-9)
            cli_say(" to %.3g", 100 * to[i]);
        cli_say(" %%");
    }
    cli_say("\n");
}

static int run_steps(struct loop *l, struct err *e)
{
    if (look_up(l, e))
        return -1;
    say_stage(l);
    bool stop = finished(l->t) || l->t->caught;
    while (!stop) {
        double before = clock_seconds();
        if (trainer_step(l->t, &l->last, e))
            return -1;
        l->busy += clock_seconds() - before;
        l->loss_sum += l->last.loss;
        l->n_losses++;
        if (look_up(l, e))
            return -1;
        show_progress(l);
        if (after_step(l, &stop, e))
            return -1;
        say_stage(l);
    }
    return 0;
}

/* How often each part was seen. */
static void say_epochs(const struct mixture *m)
{
    size_t said = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct batches *b = &m->part[i].batches;
        if (m->part[i].used)
            cli_say("%s%s %.2f", said++ ? ", " : "epochs: ", m->part[i].name,
                    (double)b->epoch + (double)b->position / (double)b->n_windows);
    }
    if (said)
        cli_say("\n");
}

static void say_end(const struct loop *l)
{
    const struct trainer *t = l->t;
    const struct ckpt_progress *p = &t->progress;
    char step[32], elapsed[32], tokens[32];
    cli_say("%s at step %s after %s and %s tokens: ",
            t->caught && !finished(t) ? "stopped by a signal" : "done",
            cli_count_text(step, p->step), cli_duration_text(elapsed, p->elapsed),
            cli_count_text(tokens, p->tokens));
    if (out_of_patience(t))
        cli_say("%" PRIu64 " validations in a row without a new best\n", p->patience);
    else if (p->step >= t->schedule.n_steps)
        cli_say("all steps of the budget are taken\n");
    else if (out_of_time(t))
        cli_say("the hours of the budget are over\n");
    else
        cli_say("--resume goes on\n");
    say_epochs(&t->mixture);
    double best = MIN(p->best_loss, t->best_stands);
    if (isfinite(best))
        cli_say("best validation loss %.4f (%s/best.safetensors)\n", best, t->options.save_dir);
    cli_say("last checkpoint: %s\n", l->saved ? l->saved : t->resumed_from);
}

/* A larger budget does not bring the learning rate back, which surprises people who double the
 * hours. At 0 it would not even train. */
static int check_decayed(const struct trainer *t, struct err *e)
{
    if (!t->resumed_from || t->progress.share < 1 || finished(t))
        return 0;
    if (t->settings.min_lr == 0)
        return err_set(e,
                       "%s: the run had come to its end, where its learning rate is 0; to train "
                       "on, start a new run with --init-from",
                       t->resumed_from);
    cli_say("the run had come to its end: its learning rate stays at %g; to train on at a "
            "higher one, start a new run with --init-from\n",
            t->settings.min_lr);
    return 0;
}

int loop_run(struct trainer *t, struct err *e)
{
    if (check_decayed(t, e))
        return -1;
    double now = clock_seconds();
    struct loop l = {.t = t, .saved_at = now, .started = now - t->progress.elapsed};
    if (trainer_is_first(t) && !finished(t) && trainer_check_room(t, e))
        return -1;
    cli_progress_start(&l.progress, "train");
    l.progress.first = t->progress.share;
    update_clock(&l);
    int rc = make_up_validation(&l, e) || run_steps(&l, e) ? -1 : 0;
    cli_progress_end(&l.progress);
    if (rc == 0 && (l.saved || t->resumed_from))
        say_end(&l);
    free(l.saved);
    return rc;
}
