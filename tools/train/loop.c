#include "train/loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
    char *saved; /* path of the last checkpoint, owned; NULL before the first */
};

static bool due(long long every, uint64_t step)
{
    return every > 0 && step % (uint64_t)every == 0;
}

static double bits_per_char(const struct trainer *t, double loss)
{
    return loss * (double)t->valid.n_tokens / (M_LN2 * (double)t->valid.n_chars);
}

static double tokens_per_second(const struct loop *l)
{
    const struct ckpt_state *s = &l->t->state;
    double per_step = (double)(s->batch * s->accum) * (double)l->t->dims.T;
    return (double)l->n_losses * per_step / (l->busy + 1e-9);
}

/* The schedule's progress moves with the steps and, in a run with hours, with the clock. */
static void update_clock(struct loop *l)
{
    struct ckpt_state *s = &l->t->state;
    s->elapsed = clock_seconds() - l->started;
    s->progress = schedule_progress(&l->t->schedule, s->progress, s->step, s->elapsed);
}

static bool out_of_time(const struct trainer *t)
{
    return t->schedule.hours > 0 && t->state.elapsed >= 3600 * t->schedule.hours;
}

static bool out_of_patience(const struct trainer *t)
{
    return t->options.eval_every && t->options.patience &&
           t->state.patience >= (uint64_t)t->options.patience;
}

static bool finished(const struct trainer *t)
{
    return t->state.step >= t->schedule.n_steps || out_of_time(t) || out_of_patience(t);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void show_progress(struct loop *l)
{
    const struct ckpt_state *s = &l->t->state;
    char text[160], step[32], speed[32];
    snprintf(text, sizeof text, "step %s, loss %.3f, lr %.2g, %s tokens/s",
             cli_count_text(step, s->step), l->loss_sum / (double)l->n_losses, l->last.lr,
             cli_count_text(speed, (uint64_t)tokens_per_second(l)));
    cli_progress_update(&l->progress, s->progress, text);
}

static void say_report(const struct loop *l, const struct log_report *r)
{
    char step[32], elapsed[32], speed[32], valid[96] = "";
    if (!isnan(r->val_loss))
        snprintf(valid, sizeof valid, ", validation %.4f (%.4f bits per character)%s", r->val_loss,
                 r->val_bpc, l->t->state.patience ? "" : ", best so far");
    cli_say("step %s, %s: loss %.4f%s, %s tokens/s\n", cli_count_text(step, r->step),
            cli_duration_text(elapsed, r->elapsed), r->loss, valid,
            cli_count_text(speed, (uint64_t)r->tok_s));
}

/* Reports on the steps since the last report; val_loss is NaN when this step was not validated. */
static int report(struct loop *l, double val_loss, struct err *e)
{
    const struct trainer *t = l->t;
    const struct ckpt_state *s = &t->state;
    bool validated = !isnan(val_loss);
    struct log_report r = {
        .step = s->step,
        .tokens = s->tokens,
        .epoch = t->batches.epoch,
        .loss = l->loss_sum / (double)l->n_losses,
        .lr = l->last.lr,
        .grad_norm = l->last.grad_norm,
        .tok_s = tokens_per_second(l),
        .progress = s->progress,
        .elapsed = s->elapsed,
        .val_loss = val_loss,
        .val_bpc = validated ? bits_per_char(t, val_loss) : NAN,
        .zero_share = validated ? trainer_zero_share(t) : NAN,
    };
    if (validated || cli.verbose)
        say_report(l, &r);
    l->loss_sum = 0;
    l->n_losses = 0;
    l->busy = 0;
    return log_write(&l->t->log, &r, e);
}

/* ---- validation, stories, checkpoints -------------------------------------------------------- */

static int validate(struct trainer *t, double *loss, struct err *e)
{
    struct ckpt_state *s = &t->state;
    *loss = trainer_validate(t);
    if (!isfinite(*loss))
        return err_set(e, "step %" PRIu64 ": the validation loss is not finite", s->step);
    if (*loss < s->best_loss) {
        s->best_loss = *loss;
        s->patience = 0;
    } else {
        s->patience++;
    }
    return 0;
}

static int tell_stories(struct trainer *t, struct err *e)
{
    if (!cli.quiet)
        return stories_tell(&t->dims, t->params, &t->kern, t->tokenizer, &t->story_rng, N_STORIES,
                            STORY_TOKENS, e);
    for (int i = 0; i < N_STORIES; i++) /* untold stories draw their seeds too */
        rng_u64(&t->story_rng);
    return 0;
}

static int save(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    uint64_t step = t->state.step;
    char name[64];
    update_clock(l);
    snprintf(name, sizeof name, "step-%09" PRIu64 ".safetensors", step);
    free(l->saved);
    if (asprintf(&l->saved, "%s/%s", t->options.save_dir, name) < 0) {
        l->saved = NULL;
        return err_memory(e, "out of memory");
    }
    if (log_sync(&l->t->log, e) || trainer_save(t, name, e) ||
        ckpt_prune(t->options.save_dir, step, (size_t)t->options.keep, e))
        return -1;
    l->saved_at = clock_seconds();
    return 0;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Whatever this step's number, the clock or the end calls for. A report comes before a checkpoint,
 * so that the log of a run killed at any moment holds all steps up to the newest one. */
static int after_step(struct loop *l, bool *stop, struct err *e)
{
    struct trainer *t = l->t;
    const struct options *o = &t->options;
    uint64_t step = t->state.step;
    double val_loss = NAN;
    bool validating = due(o->eval_every, step) || (o->eval_every && finished(t));
    if (validating && validate(t, &val_loss, e))
        return -1;
    *stop = finished(t) || cli_caught();
    bool late = o->save_minutes > 0 && clock_seconds() - l->saved_at >= 60 * o->save_minutes;
    bool saving = *stop || late || due(o->save_every, step);
    if ((validating || saving || due(o->log_every, step)) && report(l, val_loss, e))
        return -1;
    if (due(o->sample_every, step) && tell_stories(t, e))
        return -1;
    if (validating && t->state.patience == 0 && trainer_save(t, "best.safetensors", e))
        return -1;
    return saving ? save(l, e) : 0;
}

static int run_steps(struct loop *l, struct err *e)
{
    bool stop = finished(l->t) || cli_caught();
    while (!stop) {
        double before = clock_seconds();
        if (trainer_step(l->t, &l->last, e))
            return -1;
        l->busy += clock_seconds() - before;
        l->loss_sum += l->last.loss;
        l->n_losses++;
        update_clock(l);
        show_progress(l);
        if (after_step(l, &stop, e))
            return -1;
    }
    return 0;
}

static void say_end(const struct loop *l)
{
    const struct trainer *t = l->t;
    const struct ckpt_state *s = &t->state;
    char step[32], elapsed[32], tokens[32];
    cli_say("%s at step %s after %s and %s tokens: ",
            cli_caught() && !finished(t) ? "stopped by a signal" : "done",
            cli_count_text(step, s->step), cli_duration_text(elapsed, s->elapsed),
            cli_count_text(tokens, s->tokens));
    if (out_of_patience(t))
        cli_say("%" PRIu64 " validations in a row without a new best\n", s->patience);
    else if (s->step >= t->schedule.n_steps)
        cli_say("all steps of the budget are taken\n");
    else if (out_of_time(t))
        cli_say("the hours of the budget are over\n");
    else
        cli_say("--resume goes on\n");
    if (isfinite(s->best_loss))
        cli_say("best validation loss %.4f (%s/best.safetensors)\n", s->best_loss,
                t->options.save_dir);
    cli_say("last checkpoint: %s\n", l->saved ? l->saved : t->resumed_from);
}

/* A larger budget does not bring the learning rate back, a surprise to who doubles the hours. */
static void say_decayed(const struct trainer *t)
{
    if (t->resumed_from && t->state.progress >= 1 && !finished(t))
        cli_say("the run had come to its end: its learning rate stays at %g; to train on at a "
                "higher one, start a new run with --init-from\n",
                t->state.min_lr);
}

int loop_run(struct trainer *t, struct err *e)
{
    say_decayed(t);
    double now = clock_seconds();
    struct loop l = {.t = t, .saved_at = now, .started = now - t->state.elapsed};
    cli_progress_start(&l.progress, "train");
    l.progress.first = t->state.progress;
    update_clock(&l);
    int code = run_steps(&l, e);
    cli_progress_end(&l.progress);
    if (code == 0 && (l.saved || t->resumed_from))
        say_end(&l);
    free(l.saved);
    return code;
}
