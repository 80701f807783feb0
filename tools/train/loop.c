#include "train/loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/cli.h"
#include "train/log.h"
#include "train/stories.h"

enum { N_STORIES = 3, STORY_TOKENS = 150 };

/* What has gathered since the last report and the last save. */
struct loop {
    struct trainer *t;
    struct log log;
    struct cli_progress progress;
    double started;  /* clock when this process's first step began, less earlier elapsed time */
    double loss_sum; /* since the last report */
    uint64_t n_losses;
    double busy;     /* seconds of steps since the last report */
    double saved_at; /* clock of the last checkpoint */
    uint64_t saved_step;
    uint64_t reported_step;
    uint64_t validated_step;
    struct trainer_step last;
    bool out_of_patience;
};

static bool due(long long every, uint64_t step)
{
    return every > 0 && step % (uint64_t)every == 0;
}

static double bits_per_char(const struct trainer *t, double loss)
{
    return loss * (double)t->valid.n_tokens / (M_LN2 * (double)t->valid.n_chars);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void show_progress(struct loop *l)
{
    const struct ckpt_state *s = &l->t->state;
    char text[160];
    char step[32];
    double loss = l->n_losses ? l->loss_sum / (double)l->n_losses : l->last.loss;
    double tokens = (double)l->n_losses * (double)(s->batch * s->accum) * (double)l->t->dims.T;
    snprintf(text, sizeof text, "step %s, loss %.3f, lr %.2g, %.0f tokens/s",
             cli_count_text(step, s->step), loss, l->last.lr, tokens / (l->busy + 1e-9));
    cli_progress_update(&l->progress, s->progress, text);
}

static int report(struct loop *l, double val_loss, struct err *e)
{
    struct trainer *t = l->t;
    const struct ckpt_state *s = &t->state;
    if (l->reported_step == s->step)
        return 0;
    bool validated = !isnan(val_loss);
    double tokens = (double)l->n_losses * (double)(s->batch * s->accum) * (double)t->dims.T;
    struct log_report r = {
        .step = s->step,
        .tokens = s->tokens,
        .epoch = t->batches.epoch,
        .loss = l->loss_sum / (double)l->n_losses,
        .lr = l->last.lr,
        .grad_norm = l->last.grad_norm,
        .tok_s = tokens / (l->busy + 1e-9),
        .progress = s->progress,
        .elapsed = s->elapsed,
        .val_loss = val_loss,
        .val_bpc = validated ? bits_per_char(t, val_loss) : NAN,
        .zero_share = validated ? trainer_zero_share(t) : NAN,
    };
    if (validated) {
        char step[32];
        char elapsed[32];
        cli_say("step %s, %s: loss %.4f, validation loss %.4f, %.4f bits per character, %.0f "
                "tokens/s%s\n",
                cli_count_text(step, s->step), cli_duration_text(elapsed, s->elapsed), r.loss,
                val_loss, r.val_bpc, r.tok_s, s->patience ? "" : ", best so far");
    }
    l->reported_step = s->step;
    l->loss_sum = 0;
    l->n_losses = 0;
    l->busy = 0;
    return log_write(&l->log, &r, e);
}

/* ---- checkpoints and validation -------------------------------------------------------------- */

static int save(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    char name[64];
    if (l->saved_step == t->state.step)
        return 0;
    snprintf(name, sizeof name, "step-%09" PRIu64 ".safetensors", t->state.step);
    if (trainer_save(t, name, e) || ckpt_prune(t->options.save_dir, (size_t)t->options.keep, e))
        return -1;
    l->saved_at = cli_seconds();
    l->saved_step = t->state.step;
    return 0;
}

static int validate(struct loop *l, double *loss, struct err *e)
{
    struct trainer *t = l->t;
    struct ckpt_state *s = &t->state;
    l->validated_step = s->step;
    *loss = trainer_validate(t);
    if (!isfinite(*loss))
        return err_set(e, "step %" PRIu64 ": the validation loss is not finite", s->step);
    if (*loss < s->best_loss) {
        s->best_loss = *loss;
        s->patience = 0;
        return trainer_save(t, "best.safetensors", e);
    }
    s->patience++;
    l->out_of_patience = t->options.patience && s->patience >= (uint64_t)t->options.patience;
    return 0;
}

static int tell_stories(struct loop *l, struct err *e)
{
    struct trainer *t = l->t;
    struct rng before = t->story_rng;
    if (!cli.quiet)
        return stories_tell(&t->dims, t->params, &t->kern, t->tokenizer, &t->story_rng, N_STORIES,
                            STORY_TOKENS, e);
    for (int i = 0; i < N_STORIES; i++) /* untold stories draw their seeds too */
        rng_u64(&before);
    t->story_rng = before;
    return 0;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void update_clock(struct loop *l)
{
    struct ckpt_state *s = &l->t->state;
    s->elapsed = cli_seconds() - l->started;
    s->progress = schedule_progress(&l->t->schedule, s->progress, s->step, s->elapsed);
}

static bool finished(const struct loop *l)
{
    const struct trainer *t = l->t;
    bool out_of_time = t->schedule.hours > 0 && t->state.elapsed >= 3600 * t->schedule.hours;
    return t->state.step >= t->schedule.n_steps || out_of_time || l->out_of_patience;
}

/* Whatever this step's number or the clock calls for. */
static int after_step(struct loop *l, struct err *e)
{
    const struct options *o = &l->t->options;
    uint64_t step = l->t->state.step;
    double val_loss = NAN;
    if (due(o->eval_every, step) && validate(l, &val_loss, e))
        return -1;
    if ((due(o->log_every, step) || !isnan(val_loss)) && report(l, val_loss, e))
        return -1;
    if (due(o->sample_every, step) && tell_stories(l, e))
        return -1;
    bool late = o->save_minutes > 0 && cli_seconds() - l->saved_at >= 60 * o->save_minutes;
    return due(o->save_every, step) || late ? save(l, e) : 0;
}

static int run_steps(struct loop *l, struct err *e)
{
    while (!finished(l) && !cli_caught()) {
        double before = cli_seconds();
        if (trainer_step(l->t, &l->last, e))
            return -1;
        l->busy += cli_seconds() - before;
        l->loss_sum += l->last.loss;
        l->n_losses++;
        update_clock(l);
        show_progress(l);
        if (after_step(l, e))
            return -1;
    }
    return 0;
}

/* The run's last words: a validation if it came to its end, a report and a checkpoint in any case.
 */
static int finish(struct loop *l, struct err *e)
{
    const struct trainer *t = l->t;
    double val_loss = NAN;
    bool complete = !cli_caught();
    if (complete && t->options.eval_every && l->validated_step != t->state.step) {
        if (validate(l, &val_loss, e))
            return -1;
        l->saved_step = UINT64_MAX; /* a checkpoint of this step would lack the new best */
    }
    if (l->n_losses && report(l, val_loss, e))
        return -1;
    return save(l, e);
}

int loop_run(struct trainer *t, struct err *e)
{
    struct loop l = {
        .t = t, .saved_at = cli_seconds(), .started = cli_seconds() - t->state.elapsed};
    l.saved_step = l.reported_step = l.validated_step =
        t->resumed_from ? t->state.step : UINT64_MAX;
    if (log_open(&l.log, t->options.save_dir, t->state.step, e))
        return -1;
    cli_progress_start(&l.progress, "train");
    update_clock(&l);
    int code = run_steps(&l, e);
    cli_progress_end(&l.progress);
    if (code == 0)
        code = finish(&l, e);
    if (code == 0 && l.out_of_patience)
        cli_say("stopped: %" PRIu64 " validations in a row without a new best\n",
                t->state.patience);
    log_close(&l.log);
    return code;
}
