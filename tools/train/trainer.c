#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "train/optim_state.h"

/* The phase that each round of a gradient belongs to. */
static const enum phase phase_of[] = {
    [GRAD_FORWARD] = PHASE_FORWARD, [GRAD_HEAD] = PHASE_HEAD,  [GRAD_EMBED] = PHASE_EMBED,
    [GRAD_GLU] = PHASE_GLU,         [GRAD_MIXER] = PHASE_CONV, [GRAD_WEIGHTS] = PHASE_WEIGHTS,
};

bool trainer_is_first(const struct trainer *t)
{
    return t->ranks.rank == 0;
}

static bool has_others(const struct trainer *t)
{
    return t->ranks.size > 1;
}

/* Weights as the others have sent them, or the master weights, which are quantised here. */
static void load_weights(struct trainer *t)
{
    bool told = has_others(t);
    net_load(&t->net, t->pool, told ? t->exchange.weights : t->params, told);
}

static int send_group(struct trainer *t, int group, struct err *e)
{
    const struct slices *s = &t->exchange.slices;
    for (size_t i = 0; i < s->n; i++)
        if (s->slice[i].group == group)
            sums_fold(&t->sums, &t->kern, t->pool, s->slice[i].first, s->slice[i].n);
    return exchange_send(&t->exchange, t->sums.part[0].x, group, e);
}

/* After a round of this rank's last micro-batch: what it has completed goes to its owners. */
static int send_completed(struct trainer *t, enum grad_round round, struct err *e)
{
    if (round != GRAD_WEIGHTS || !grad_in_last_part(&t->grad))
        return ranks_poll(&t->ranks, e);
    if (send_group(t, t->grad.block + 1, e) || (t->grad.block < 0 && send_group(t, t->dims.L, e)))
        return -1;
    phases_end(&t->phases, PHASE_EXCHANGE);
    return 0;
}

/* A micro-batch: its gradient becomes the next leaf of the step's sum. Of the last one of many
 * ranks it stays to be added by sums_close. */
static int add_batch(struct trainer *t, bool last, struct err *e)
{
    struct grad_batch b = {t->tokens, t->targets, t->pos, t->settings.batch * (size_t)t->dims.T};
    enum grad_round round;
    last &= has_others(t);
    grad_start(&t->grad, &b, 1.0f / (float)t->settings.accum, sums_leaf(&t->sums));
    while ((round = grad_round(&t->grad, t->pool)) != GRAD_DONE) {
        phases_end(&t->phases, phase_of[round]);
        if (last && send_completed(t, round, e))
            return -1;
    }
    if (!last)
        sums_add(&t->sums, &t->kern, t->pool, grad_loss(&t->grad));
    phases_end(&t->phases, PHASE_REST);
    return 0;
}

static void take_batch(struct trainer *t)
{
    size_t n = t->settings.batch;
    if (t->mixture.n)
        mixture_take(&t->mixture, n, t->tokens, t->targets, t->pos);
    else
        batches_take(&t->batches, n, t->tokens, t->targets, t->pos);
}

uint64_t trainer_epoch(const struct trainer *t)
{
    if (!t->mixture.n)
        return t->batches.epoch;
    return t->progress.tokens / (mixture_windows(&t->mixture) * (uint64_t)t->dims.T);
}

/* The step's micro-batches, of which each rank computes as many, one after the other. All take all
 * of them, so that every rank knows what comes next. */
static int add_batches(struct trainer *t, struct err *e)
{
    uint64_t n = t->settings.accum / (uint64_t)t->ranks.size;
    uint64_t first = n * (uint64_t)t->ranks.rank;
    sums_start(&t->sums);
    if (has_others(t) && exchange_begin(&t->exchange, e))
        return -1;
    for (uint64_t i = 0; i < t->settings.accum; i++) {
        take_batch(t);
        phases_end(&t->phases, PHASE_REST);
        if (i >= first && i < first + n && add_batch(t, i == first + n - 1, e))
            return -1;
    }
    return 0;
}

/* The step's gradient, as far as this rank steps it, its mean loss and norm. */
static int add_up(struct trainer *t, float **gradient, struct trainer_step *out, struct err *e)
{
    const struct sums_part *sum;
    if (has_others(t)) {
        sum = sums_close(&t->sums, grad_loss(&t->grad));
        out->loss = sum->loss;
        if (exchange_sum(&t->exchange, &t->optim, t->pool, sum->x, &out->loss, &out->grad_norm, e))
            return -1;
        phases_end(&t->phases, PHASE_EXCHANGE);
    } else {
        sum = sums_total(&t->sums, &t->kern, t->pool);
        phases_end(&t->phases, PHASE_REST);
        out->loss = sum->loss;
        out->grad_norm = optim_norm(&t->optim, t->pool, sum->x);
    }
    out->loss /= (double)t->settings.accum;
    *gradient = sum->x;
    return 0;
}

/* All ranks find it, and one reports it. */
static int not_finite(struct trainer *t, const struct trainer_step *s, struct err *e)
{
    int rc = err_set(e,
                     "step %llu: the loss is not finite (loss %g, gradient norm %g); a lower --lr "
                     "may help",
                     (unsigned long long)t->progress.step + 1, s->loss, s->grad_norm);
    return ranks_agree(&t->ranks, rc, e);
}

int trainer_step(struct trainer *t, struct trainer_step *out, struct err *e)
{
    if (t->mixture.n)
        mixture_begin_step(&t->mixture, t->progress.share,
                           t->progress.tokens / (uint64_t)t->dims.T);
    else
        batches_begin_step(&t->batches);
    phases_end(&t->phases, PHASE_REST);
    float *gradient;
    load_weights(t);
    phases_end(&t->phases, PHASE_PACK);
    if (add_batches(t, e) || add_up(t, &gradient, out, e))
        return -1;
    out->lr = schedule_lr(&t->schedule, t->progress.share, t->progress.step);
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return not_finite(t, out, e);
    t->progress.step++;
    t->progress.tokens += t->settings.batch * t->settings.accum * (uint64_t)t->dims.T;
    optim_step(&t->optim, t->pool,
               &(struct optim_step){.params = t->params,
                                    .gradient = gradient,
                                    .norm = out->grad_norm,
                                    .lr = out->lr,
                                    .share = out->lr / t->schedule.lr,
                                    .number = t->progress.step});
    phases_end(&t->phases, PHASE_OPTIMISE);
    if (has_others(t) && exchange_weights(&t->exchange, t->pool, t->params, e))
        return -1;
    phases_end(&t->phases, PHASE_EXCHANGE);
    return 0;
}

int trainer_gather(struct trainer *t, struct err *e)
{
    return has_others(t) ? exchange_gather(&t->exchange, &t->optim, t->params, e) : 0;
}

bool trainer_reads_stories(const struct trainer *t)
{
    return batches_find(t->settings.windows) == BATCHES_STORY;
}

/* Adds the nats of the first n rows of t->tokens, t->targets and t->pos, one after the other, so
 * that the sum does not depend on how many rows the net takes. */
static void add_nats(struct trainer *t, size_t n, double *sum)
{
    net_forward(&t->net, t->pool, t->tokens, t->pos, n);
    net_nll(&t->net, t->pool, t->targets, n, t->grad.loss.nll);
    for (size_t r = 0; r < n; r++)
        *sum += (double)t->grad.loss.nll[r];
}

/* Windows of the stream, from `first` on. */
static void take_windows(struct trainer *t, const struct shardset *s, size_t first, size_t count)
{
    size_t T = (size_t)t->dims.T;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (first + i) * (T + 1);
        shardset_copy(s, at, T, t->tokens + i * T);
        shardset_copy(s, at + 1, T, t->targets + i * T);
        for (size_t r = 0; r < T; r++)
            t->pos[i * T + r] = (uint32_t)r;
    }
}

/* Windows that are scored together: whole tiles, if possible, so that a row's place in its tile
 * does not depend on how many fit. */
static size_t windows_together(const struct trainer *t)
{
    size_t T = (size_t)t->dims.T;
    size_t most = t->net.max_rows / T;
    size_t step = grad_sequences(T, NET_TILE);
    return most > step ? most - most % step : most;
}

static bool validate_stream(struct trainer *t, const struct shardset *s, uint64_t n_tokens,
                            double *loss)
{
    size_t T = (size_t)t->dims.T;
    size_t n_windows = batches_windows(n_tokens, T);
    size_t most = windows_together(t);
    double sum = 0;
    for (size_t first = 0; first < n_windows; first += most) {
        if (cli_caught())
            return false;
        size_t count = MIN(most, n_windows - first);
        take_windows(t, s, first, count);
        add_nats(t, count * T, &sum);
    }
    *loss = sum / (double)(n_windows * T);
    return true;
}

/* No piece of a story is cut, but for the last of all. */
static bool validate_stories(struct trainer *t, struct pieces *p, uint64_t n_tokens, double *loss)
{
    double sum = 0;
    size_t n;
    pieces_start(p, NULL, 0, p->set->n);
    for (uint64_t done = 0; done < n_tokens; done += n) {
        if (cli_caught())
            return false;
        size_t most = (size_t)MIN((uint64_t)t->net.max_rows, n_tokens - done);
        n = pieces_fit(p, most);
        n = n ? n : most;
        pieces_take(p, n, t->tokens, t->targets, t->pos);
        add_nats(t, n, &sum);
    }
    *loss = sum / (double)n_tokens;
    return true;
}

static bool validate_part(struct trainer *t, size_t i, double *loss)
{
    const struct shardset *s = &t->valid_parts[i];
    uint64_t limit = (uint64_t)t->options.eval_tokens;
    uint64_t n_tokens = limit ? MIN(limit, s->n_tokens) : s->n_tokens;
    return trainer_reads_stories(t) ? validate_stories(t, &t->valid_pieces[i], n_tokens, loss)
                                    : validate_stream(t, s, n_tokens, loss);
}

bool trainer_validate(struct trainer *t, struct trainer_losses *out)
{
    *out = (struct trainer_losses){0};
    load_weights(t);
    for (size_t i = 0; i < t->n_valid_parts; i++) {
        const struct shardset *s = &t->valid_parts[i];
        double loss;
        if (!validate_part(t, i, &loss))
            return false;
        out->part[i].loss = loss;
        out->part[i].bpc = loss * (double)s->n_tokens / (M_LN2 * (double)s->n_chars);
        out->loss += loss;
        out->bpc += out->part[i].bpc;
    }
    out->loss /= (double)t->n_valid_parts;
    out->bpc /= (double)t->n_valid_parts;
    return true;
}

double trainer_zero_share(const struct trainer *t, double blocks[])
{
    size_t all_zero = 0;
    size_t all = 0;
    for (int l = 0; l < t->dims.L; l++) {
        size_t n;
        size_t n_zero = net_zeros(&t->net, l, &n);
        blocks[l] = (double)n_zero / (double)n;
        all_zero += n_zero;
        all += n;
    }
    return (double)all_zero / (double)all;
}

int trainer_save(struct trainer *t, const char *name, struct err *e)
{
    struct ckpt_progress *progress = &t->progress;
    char *path;
    if (asprintf(&path, "%s/%s", t->options.save_dir, name) < 0)
        return err_memory(e, "out of memory");
    if (t->mixture.n) {
        mixture_save(&t->mixture, progress);
    } else {
        progress->epoch = t->batches.epoch;
        progress->position = t->batches.position;
        memcpy(progress->rng, t->batches.start.s, sizeof progress->rng);
    }
    if (t->mixture.n || t->batches.n_shards == t->train.n)
        t->prints.train = t->train.fingerprint;
    memcpy(progress->sample_rng, t->story_rng.s, sizeof progress->sample_rng);
    struct ckpt_state state = {t->settings, t->progress, t->prints};
    struct ckpt_optim *optim = optim_state(&t->optim, e);
    int rc = optim ? ckpt_save(path, &t->dims, t->params, optim, &state, e) : -1;
    free(optim);
    free(path);
    return rc;
}

int trainer_check_finite(const struct trainer *t, struct err *e)
{
    struct err fault;
    struct ckpt_optim *optim = optim_state(&t->optim, e);
    if (!optim)
        return -1;
    int rc = ckpt_check_finite(&t->dims, t->params, optim, &fault);
    free(optim);
    if (rc == 0)
        return 0;
    return err_set(e, "step %llu: %s; the checkpoints before it stay",
                   (unsigned long long)t->progress.step, fault.text);
}

int trainer_check_room(const struct trainer *t, struct err *e)
{
    struct err fault;
    struct ckpt_optim *optim = optim_state(&t->optim, e);
    if (!optim)
        return -1;
    int rc = ckpt_check_room(t->options.save_dir, &t->dims, optim, &fault);
    free(optim);
    if (rc == 0)
        return 0;
    return err_system(e, "%s; make room, or choose another --save-dir", fault.text);
}
