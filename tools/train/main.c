#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "train/bench.h"
#include "train/loop.h"
#include "train/status.h"

static void introduce_recipe(const struct trainer *t)
{
    const struct ckpt_settings *s = &t->settings;
    const struct optim_settings *q = &t->optim_settings;
    cli_say("recipe: %s, learning rate %g, ", s->recipe, s->lr);
    if (t->schedule.shape == SCHEDULE_COSINE)
        cli_say("as a cosine to %g\n", s->min_lr);
    else
        cli_say("linear to %g over the last %g %%\n", s->min_lr, 100 * s->decay_share);
    cli_say("windows: %s\n", s->windows);
    cli_say("optimiser: %s", s->optimiser);
    for (size_t i = 0; i < optim_n_settings(q->kind); i++)
        cli_say(", %s %.10g", optim_setting(q->kind, i)->key, q->values[i]);
    cli_say("\n");
}

/* Data in parts; of a curriculum the loop says each stage. */
static void introduce_parts(const struct trainer *t)
{
    const char *names[CURRICULUM_MAX_PARTS];
    char tokens[32];
    size_t n = mixture_names(&t->train, names);
    for (size_t i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < t->train.n; k++)
            if (strcmp(t->train.parts[k], names[i]) == 0)
                sum += t->train.shards[k].n_tokens;
        cli_say("%s%s %s", i ? ", " : "parts: ", names[i], cli_count_text(tokens, sum));
    }
    if (n)
        cli_say(t->mixture.n ? "\n" : ", as one: no --curriculum\n");
}

/* Of a model that is more than convolutions. */
static void introduce_mixers(const struct dims *d)
{
    char mixers[DIMS_MIXERS_TEXT];
    dims_mixers_text(d, mixers, sizeof mixers);
    if (d->window > 0)
        cli_say("mixers: %s, %d heads, keys of %d, over %d tokens\n", mixers, d->heads,
                d->key_width, d->window);
    if (d->embed_norm)
        cli_say("embedding: through a norm\n");
}

static void introduce(const struct trainer *t)
{
    const struct dims *d = &t->dims;
    const struct ckpt_settings *s = &t->settings;
    char params[32], vocab[32], tokens[32], steps[32], memory[32], hours[32];
    cli_say("model: %s parameters, width %d, %d blocks, hidden %d, %d taps, vocabulary %s\n",
            cli_count_text(params, dims_n_params(d)), d->D, d->L, d->H, d->K,
            cli_count_text(vocab, (uint64_t)d->V));
    introduce_mixers(d);
    cli_say("data: %s training tokens, %d tokens a sequence, %llu sequences a step\n",
            cli_count_text(tokens, t->train.n_tokens), d->T,
            (unsigned long long)(s->batch * s->accum));
    introduce_parts(t);
    introduce_recipe(t);
    if (t->ranks.size > 1)
        cli_say("ranks: %d, each %llu of a step's %llu batches\n", t->ranks.size,
                (unsigned long long)s->accum / (unsigned)t->ranks.size,
                (unsigned long long)s->accum);
    cli_say("run: seed %llu, ", (unsigned long long)s->seed);
    if (!t->options.bench)
        cli_say("%s steps%s%s, ", cli_count_text(steps, t->schedule.n_steps),
                t->schedule.hours > 0 ? " or " : "",
                t->schedule.hours > 0 ? cli_duration_text(hours, 3600 * t->schedule.hours) : "");
    cli_say("%d thread%s, %s, %s, %s of memory\n", pool_threads(t->pool),
            pool_threads(t->pool) == 1 ? "" : "s", t->kern.level->name, s->precision,
            cli_bytes_text(memory, t->memory));
    if (t->begun_from)
        cli_say("weights of %s\n", t->begun_from);
    if (t->resumed_from)
        cli_say("resumed from %s at step %llu\n", t->resumed_from,
                (unsigned long long)t->progress.step);
}

int main(int argc, char **argv)
{
    struct options o;
    struct trainer t;
    struct err e;
    options_parse(&o, argc, argv);
    if (o.status) {
        if (ranks_told() == 0 && status_print(o.status, &e))
            cli_fail(&e);
        return cli_finish();
    }
    if (trainer_open(&t, &o, &e))
        cli_fail(&e);
    introduce(&t);
    cli_catch();
    int rc = o.plan_threads ? bench_plan(&t, &e) : o.bench ? bench_run(&t, &e) : loop_run(&t, &e);
    if (rc)
        cli_fail(&e);
    trainer_close(&t);
    return cli_finish();
}
